"""The environment of rows that name their own test command: pytest and nothing else, the same everywhere.

The bundled tasks' packages need no more. It is made in the cache on first use and shared by all of them; what
is installed beside this program has no part in a verdict.
"""

import functools
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from swebench.errors import EnvironmentUnavailable
from swebench.running.runner import Surroundings
from swebench.running.venvs import complete, environments_below, pip_environment, run

PACKAGES = ("pytest==9.2.0", "iniconfig==2.3.1", "packaging==26.3", "pluggy==1.7.0", "Pygments==2.21.0")
"""All that pytest needs, so that nothing is left to a resolver."""


@dataclass(frozen=True)
class OwnEnvironment:
    """`digest` names its Python and packages; `surroundings` is where commands run in it."""

    digest: str
    surroundings: Surroundings


@functools.cache
def own_environment(cache: Path) -> OwnEnvironment:
    """The environment, which takes a package index once; raises EnvironmentUnavailable."""
    content = (PACKAGES, sys.version_info[:3], sys.base_prefix)
    digest = hashlib.sha256(repr(content).encode()).hexdigest()[:12]
    folder = environments_below(cache) / f"own-{digest}"
    try:
        complete(folder, _build)
    except EnvironmentUnavailable as failed:
        raise EnvironmentUnavailable(
            f"no environment for the tasks' tests: {failed}; connect to a package index once, or do without "
            "tests (--no-run-tests, no --grade)"
        ) from None
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return OwnEnvironment(
        digest, Surroundings((folder / "venv" / "bin",), variables=variables, kept=(folder,))
    )


def _build(folder: Path) -> dict[str, object]:
    log, venv = folder / "build.log", folder / "venv"
    run([sys.executable, "-m", "venv", str(venv)], log, pip_environment())
    # The pip that comes with this Python: all is named, so any will do.
    run([str(venv / "bin" / "pip"), "install", "--no-deps", *PACKAGES], log, pip_environment())
    return {"packages": list(PACKAGES)}
