"""One run of a test command in an exported tree: confined, limited in time and size, and leaving nothing
behind.

The code that runs is the repository's and the model's. It gets a clean environment, a home of its own,
limits, and where the system lets users make namespaces, no network but its own loopback and no sight of other
processes. It still runs as this user: who does not trust a repository at all runs it in a container.
"""

import contextlib
import functools
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from swebench.errors import NotGradeable
from swebench.patches.export import export
from swebench.patches.trees import Scratch
from swebench.running import confine
from swebench.running.hearing import Heard, hearing
from swebench.running.stopping import ended_in_time

MAX_LOG_BYTES = 16 << 20

_LIMITS = {"AS": 8 << 30, "FSIZE": 256 << 20, "NPROC": 4096, "CORE": 0}
_NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child")
_CONFINE = (sys.executable, "-I", "-S", confine.__file__)
_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")
_IN_EVERY_ENVIRONMENT = {"python", "python3", "pytest"}


@dataclass(frozen=True)
class TestRun:
    """What a test command did: exit code (negative or over 128 for a signal), output (its last 16 MiB), wall
    time.

    `isolated` says whether it ran without the network, in namespaces of its own; `heard` is what a reporter
    says of its tests, which nothing that the tree prints can change.
    """

    exit_code: int
    log: str
    seconds: float
    timed_out: bool
    isolated: bool
    heard: Heard


@dataclass(frozen=True)
class Surroundings:
    """Where a command runs beside its tree.

    `programs` are folders that are searched before the system's, `packages` folders of Python packages that
    are searched after the tree's own, `variables` are set on top of the runner's own, and `prepare` is given
    the tree's folder once it is written. `kept` are folders that an isolated run cannot write to. Commands
    start in the sub-folder `folder` of the tree; `sources`, below that, are where the tree keeps packages.
    """

    programs: tuple[Path, ...]
    packages: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    kept: tuple[Path, ...] = ()
    folder: str = ""
    sources: tuple[str, ...] = ("", "src", "lib")

    @property
    def root(self) -> str:
        """The way from `folder` up to the tree's root."""
        return os.path.relpath(".", self.folder or ".")

    def without_sources(self) -> "Surroundings":
        """The same for a program that puts the tree's packages on the path itself."""
        return replace(self, sources=(), packages=())


@functools.cache
def isolation() -> tuple[str, ...]:
    """The command prefix that isolates a run; empty where this user may not make namespaces."""
    try:
        probe = [*_NAMESPACES, *_CONFINE, "{}", json.dumps([tempfile.gettempdir()]), "true"]
        done = subprocess.run(probe, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return _NAMESPACES if done.returncode == 0 else ()


def givable(text: str) -> str:
    """The text, where a program can be given it; raises ValueError for a NUL or half a character."""
    if "\0" in text:
        raise ValueError("it holds a NUL")
    text.encode()
    return text


def parse_command(command: str) -> list[str]:
    """The argument list of a command as a row gives it; no shell takes part.

    Raises NotGradeable when it cannot be split, or names a program that is neither in the environments nor on
    this machine.
    """
    try:
        arguments = shlex.split(givable(command))
    except ValueError as error:
        raise NotGradeable(f"test command {command[:200]!r} cannot be read: {error}") from None
    program = arguments[0] if arguments else ""
    known = program in _IN_EVERY_ENVIRONMENT or "/" in program
    if not program or not (known or shutil.which(program, path=os.pathsep.join(_SYSTEM))):
        raise NotGradeable(
            f"test command {command[:200]!r} names no program of its environment: begin it with python or "
            "pytest, or with a path"
        )
    return arguments


def run_tests(
    scratch: Scratch, tree: str, command: list[str], timeout_s: float, within: Surroundings
) -> TestRun:
    """Write `tree` into a temporary folder and run a command there; it is killed after `timeout_s` seconds.

    Raises UnsafePath for a tree that cannot be written out, and Abandoned.
    """
    with (
        tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True) as temporary,
        hearing(Path(temporary, "reporter"), Path(temporary, "report")) as reporter,
    ):
        folder, home, log = (Path(temporary, name) for name in ("tree", "home", "log"))
        folder.mkdir()
        home.mkdir()
        export(scratch, tree, folder)
        if within.prepare:
            within.prepare(folder)
        limits = json.dumps(_LIMITS | {"CPU": math.ceil(timeout_s) * (os.cpu_count() or 1)})
        kept = json.dumps([str(path) for path in (*within.kept, reporter.folder)])
        prefix = isolation()
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*prefix, *_CONFINE, limits, kept, *command],
                cwd=folder / within.folder,
                env=_environment(folder, home, reporter.folder, within),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with _ended(process):
                timed_out = not ended_in_time(process, timeout_s)
        seconds = time.monotonic() - started
        return TestRun(process.returncode, _tail(log), seconds, timed_out, bool(prefix), reporter.read())


def _environment(folder: Path, home: Path, reporter: Path, within: Surroundings) -> dict[str, str]:
    inside = (folder / within.folder / source for source in within.sources)
    # The reporter is before all that the tree holds.
    sources = [reporter, *(path for path in inside if path.is_dir())]
    return {
        "PATH": os.pathsep.join([*map(str, within.programs), *_SYSTEM]),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(map(str, [*sources, *within.packages])),
        "PYTHONHASHSEED": "0",
        **within.variables,
    }


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens inside, afterwards the process and its group are gone."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
        return file.read().decode("utf-8", "replace")
