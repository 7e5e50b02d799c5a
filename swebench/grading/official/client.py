"""The official package as an object: its environment is made on first use, and asked in JSON.

Of its dependencies only what specs and parsers need is installed; the code itself is whole.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swebench.errors import EnvironmentUnavailable, NotGradeable
from swebench.grading.official import bridge
from swebench.patches.plumbing import Git
from swebench.running.venvs import complete, make_venv, pip_environment, run

PACKAGE = "swebench==4.1.0"
"""The last release that holds the specs by repository and version."""
HARNESS = "swebench==5.0.2"
"""Of those that run tests in containers the first whose verdicts a patch's own output cannot make."""
_NEEDED = ("unidiff==0.7.5",)
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Spec:
    """How the official environments of a repository's version are made and how its tests are run.

    `python` is a version such as 3.9; `packages` a line of conda's requirements, `requirements` the text of a
    requirements file and `conda` that of an environment.yml (at most one of the three is not empty);
    `install`, `test_cmd` and the members of `pre_install` and `eval_commands` are lines for a shell.
    """

    python: str
    packages: str
    requirements: str
    conda: str
    pip_packages: tuple[str, ...]
    pre_install: tuple[str, ...]
    install: str
    eval_commands: tuple[str, ...]
    test_cmd: str


class Official:
    """The official package in its environment in the cache folder.

    Every method raises EnvironmentUnavailable where that environment cannot be made or does not answer.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "official"
        self._specs: dict[tuple[str, str, str, Path], Spec] = {}

    def spec(self, repo: str, version: str, commit: str, git: Git) -> Spec:
        """The spec of a version, with requirement files as they are at a commit of a local repository.

        Raises NotGradeable for a repository or version that the official package has no spec of.
        """
        key = (repo, version, commit, git.directory)
        if key not in self._specs:
            asked = {"do": "spec", "repo": repo, "version": version, "commit": commit}
            found = self._ask({**asked, "git_environment": git.environment})
            if found is None:
                raise NotGradeable(f"{PACKAGE} has no Python spec for version {version[:40]!r} of {repo}")
            lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
            self._specs[key] = Spec(**(found | lists))
        return self._specs[key]

    def directives(self, repo: str, test_patch: str) -> list[str]:
        """The arguments of the test command that run the files of a test patch."""
        found: list[str] = self._ask({"do": "directives", "repo": repo, "test_patch": test_patch})
        return found

    def statuses(self, repo: str, logs: Sequence[str]) -> list[dict[str, str]]:
        """The status of each test in each of some logs, or lines, of the repository's test command."""
        found: list[dict[str, str]] = self._ask({"do": "statuses", "repo": repo, "logs": list(logs)})
        return found

    def harness(self) -> Path:
        """The interpreter of a second environment that has the whole harness with all its dependencies."""
        return self._python("harness", (HARNESS,), ())

    def _ask(self, request: dict[str, object]) -> Any:
        python = self._python("parts", _NEEDED, ("--no-deps", PACKAGE))
        try:
            done = subprocess.run(
                [python, "-I", bridge.__file__],
                input=json.dumps(request),
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EnvironmentUnavailable(f"{PACKAGE} gave no answer within {_TIMEOUT_S:g} s") from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EnvironmentUnavailable(f"{PACKAGE} failed to answer {request['do']}: {last[:300]}")
        return json.loads(done.stdout)

    def _python(self, name: str, packages: tuple[str, ...], alone: tuple[str, ...]) -> Path:
        digest = hashlib.sha256(repr((packages, alone, sys.version_info[:3])).encode()).hexdigest()[:12]
        folder = self._folder / f"{name}-{digest}"

        def build(folder: Path) -> dict[str, object]:
            log = folder / "build.log"
            make_venv(Path(sys.executable), folder / "venv", log)
            pip = str(folder / "venv" / "bin" / "pip")
            for chosen in filter(None, (packages, alone)):
                run([pip, "install", *chosen], log, pip_environment())
            return {"packages": [*packages, *alone]}

        complete(folder, build)
        return folder / "venv" / "bin" / "python"
