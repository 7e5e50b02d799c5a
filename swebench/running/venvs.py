"""Virtual environments in the cache: made once for all processes, and complete or not there.

They are made in place, since virtual environments cannot be moved; the file that says that one is complete is
written last, so a killed build is built again.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from swebench.errors import EnvironmentUnavailable

INSTALL_TIMEOUT_S = 3600.0
_PUBLISHED_BEFORE = "2024-08-13T00:00:00Z"
"""The day SWE-bench Verified was published: its test lists were made with nothing that came later."""
_PIP = {(3, 5): "20.3.4", (3, 6): "21.3.1", (3, 7): "24.0", (3, 8): "24.0"}
_NEW_PIP = "26.0"
"""The first that can be told a day; it wants Python 3.9. Older Pythons get hardly any new packages anyway."""
_PASSED_ON = {"HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
_INDEX = {"index-url", "cert", "client-cert", "proxy", "trusted-host", "timeout"}


def environments_below(cache: Path) -> Path:
    """The folder of all environments, by no link that may go away: scripts name where they were made."""
    return (cache / "environments").resolve()


def complete(folder: Path, build: Callable[[Path], dict[str, object]]) -> dict[str, object]:
    """What `build` returned when it filled `folder`; it is called when that has not happened yet.

    One process builds, others wait. Whatever `build` raises goes on, and leaves nothing that counts.
    """
    marker = folder / "complete.json"
    if not marker.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not marker.is_file():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                found = build(folder)
                partial = folder / "complete.partial"
                partial.write_text(json.dumps(found, indent=2), "utf-8")
                partial.replace(marker)
    document: dict[str, object] = json.loads(marker.read_text("utf-8"))
    return document


@functools.cache
def find_python(version: str) -> Path:
    """An interpreter of this version (such as 3.9) on this machine: on the path, of pyenv, or of uv.

    Raises EnvironmentUnavailable.
    """
    for candidate in _candidates(version):
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run(
                [candidate, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == version:
            return Path(candidate)
    raise EnvironmentUnavailable(
        f"Python {version} is not on this machine: looked for python{version} on the path, among pyenv's "
        f"versions and uv's; install it, for example with `uv python install {version}`"
    )


def _candidates(version: str) -> Iterable[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted(pyenv.glob(f"versions/{version}.*"), reverse=True):
        yield str(folder / "bin" / "python")
    if uv := shutil.which("uv"):
        command = [uv, "python", "find", "--no-python-downloads", "--system", version]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0:
            yield done.stdout.strip()
    yield sys.executable


def make_venv(python: Path, folder: Path, log: Path) -> None:
    """An empty environment with a pip that suits its Python; raises EnvironmentUnavailable."""
    run([str(python), "-m", "venv", str(folder)], log, {"PATH": os.defpath})
    code = "import sys; print(*sys.version_info[:2])"
    asked = subprocess.run(
        [folder / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    )
    major, minor = map(int, asked.stdout.split())
    pip = _PIP.get((major, minor), _NEW_PIP)
    # The pip that comes with an old Python takes packages that are not for it.
    run([str(folder / "bin" / "pip"), "install", f"pip=={pip}"], log, pip_environment())


def pip_environment(*, dated: bool = False) -> dict[str, str]:
    """The variables that installing needs: where the index is, and no other setting of the user's.

    With `dated`, a pip that can takes only what was published before SWE-bench Verified was. Extra indexes
    and folders of files do not say when that was, so only the main index is asked.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.lower().endswith("_proxy")
    }
    kept |= {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull}
    for line in _pip_settings():
        name, _, value = line.partition("=")
        setting = name.rpartition(".")[2].lower()
        if setting in _INDEX:
            kept["PIP_" + setting.upper().replace("-", "_")] = value.strip("'\"")
    kept |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    return kept | {"PIP_UPLOADED_PRIOR_TO": _PUBLISHED_BEFORE} if dated else kept


@functools.cache
def _pip_settings() -> tuple[str, ...]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return tuple(done.stdout.splitlines())


def run(command: Sequence[str], log: Path, variables: Mapping[str, str], folder: Path | None = None) -> None:
    """Run one step of a build and add its output to `log`; raises EnvironmentUnavailable when it fails."""
    with log.open("ab") as file:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
            code: int | str = done.returncode
        except subprocess.TimeoutExpired:
            code = f"not ended after {INSTALL_TIMEOUT_S:g} s"
        except OSError as error:
            code = str(error)
    if code != 0:
        output = log.read_text("utf-8", "replace").splitlines()
        errors = [line.strip() for line in output if "ERROR" in line.upper()] or ["no reason given"]
        raise EnvironmentUnavailable(
            f"`{' '.join(command)[:120]}` failed ({code}): {errors[-1][:200]}; all of it is in {log}"
        )
