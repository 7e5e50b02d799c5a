"""The Python that a project's tests run on: one that was named, an active environment, the project's own, or
the one on the path. This program's own environment is none of them.
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swebench.errors import EnvironmentUnavailable, WrongEnvironment
from swebench.running.venvs import environments_below, find_python

_FOLDERS = (".venv", "venv", "env", ".env")
_ASKED = """
import importlib.util, json, os, sys
runners = [name for name in ("pytest", "django") if importlib.util.find_spec(name)]
packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
held = sorted(name for path in packages if os.path.isdir(path) for name in os.listdir(path))
print(json.dumps(["%d.%d.%d" % sys.version_info[:3], sys.prefix, sys.prefix != sys.base_prefix,
                  sys.executable, runners, held]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs, and what it has; `origin` says how it was found.

    `prefix` is its environment's folder where it is of one, and `digest` changes with the packages it has.
    """

    python: Path
    version: str
    prefix: Path | None
    runners: frozenset[str]
    digest: str
    origin: str

    @property
    def text(self) -> str:
        """In a few words."""
        return f"Python {self.version} of {self.origin}"


def probed(python: Path, origin: str) -> Interpreter:
    """What a Python says of itself; raises EnvironmentUnavailable when it does not run."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ASKED], capture_output=True, text=True, timeout=60, check=True, cwd="/"
        )
        version, prefix, virtual, executable, runners, held = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise WrongEnvironment(
            f"{python} ({origin}) does not run as a Python: {str(error)[:200]}; name another with --python "
            "or --environment"
        ) from None
    content = json.dumps([version, executable, held])
    return Interpreter(
        Path(executable),
        version,
        Path(prefix) if virtual else None,
        frozenset(runners),
        hashlib.sha256(content.encode()).hexdigest()[:12],
        origin,
    )


def named_python(name: str) -> Path:
    """The Python of a version (3.12), a path, or a name on the path; raises EnvironmentUnavailable."""
    if name.replace(".", "").isdigit():
        return find_python(".".join(name.split(".")[:2]))
    found = name if "/" in name and Path(name).expanduser().exists() else shutil.which(name)
    if not found:
        raise WrongEnvironment(
            f"there is no Python {name!r}: give a version such as 3.12, a path, or a name on the path"
        )
    return Path(found).expanduser().absolute()


def of_folder(folder: Path, origin: str) -> Interpreter:
    """The Python of an environment's folder; raises EnvironmentUnavailable."""
    python = folder / "bin" / "python"
    if not python.exists():
        raise WrongEnvironment(
            f"{folder} is no environment: it has no bin/python; name the folder of one, or "
            "--environment create"
        )
    return probed(python.absolute(), origin)


def found_interpreters(folders: Sequence[Path]) -> Iterator[Interpreter]:
    """Those that a project's tests may be meant for, the likeliest first.

    `folders` are where the project's own environment may lie. Those that do not run are passed over.
    """
    for python, origin in _places(folders):
        try:
            found = probed(python, origin)
        except EnvironmentUnavailable:
            continue
        if found.prefix is None or found.prefix.resolve() != Path(sys.prefix).resolve():
            yield found


def _places(folders: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if named := os.environ.get(variable):
            yield Path(named) / "bin" / "python", f"the active environment {named}"
    for folder in folders:
        for name in _FOLDERS:
            if (folder / name / "bin" / "python").exists():
                yield folder / name / "bin" / "python", str(folder / name)
    own = Path(sys.prefix, "bin").resolve()
    path = [
        part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(part).resolve() != own
    ]
    for name in ("python3", "python"):
        if found := shutil.which(name, path=os.pathsep.join(path)):
            yield Path(found), f"the path ({found})"


@functools.cache
def programs(python: Path, cache: Path) -> Path:
    """A folder whose `python` is that one; the environment's own, or one with a link."""
    if python.name == "python":
        return python.parent
    folder = environments_below(cache) / f"python-{hashlib.sha256(str(python).encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / f"python.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(python)
    link.replace(folder / "python")
    return folder
