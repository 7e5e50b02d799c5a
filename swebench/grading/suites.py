"""How an instance's tests are run and read: by its row's own columns, or as the official harness does.

A row with a `test_cmd` runs in an environment that has pytest alone. A row of SWE-bench without one names a
repository and a version that the official package has a spec of: its tests run in an environment made from
that spec, and the official package reads what was printed and heard.
"""

import functools
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from swebench.data.tasks import Instance, Task
from swebench.errors import NoTestsNear, NotGradeable
from swebench.grading.environments import Environment, environment, spec_of, tree_commands
from swebench.grading.evidence import Readings, Statuses, merged
from swebench.grading.log_parsers import LOG_PARSERS, parse_pytest
from swebench.grading.official.client import Official, Spec
from swebench.patches.gold import after
from swebench.patches.plumbing import Git
from swebench.running.hearing import Status
from swebench.running.own import own_environment
from swebench.running.runner import Surroundings, TestRun, parse_command

_EXPORT = re.compile(r"export (\w+)=(\S*)")


Nearest = Callable[[str], Sequence[str]]
"""Ranks the test files of the base commit for a patch, the nearest first; given by who can search."""
MAX_FILES = 3
"""Of those that are run where a candidate patch is to be tested in seconds."""


@dataclass(frozen=True)
class Suite:
    """A test command, where it runs (`environment` names that), and what reads its runs."""

    command: list[str]
    within: Surroundings
    read: Callable[[TestRun], Readings]
    environment: str


class TestBed(Protocol):
    """What makes the environments that tests run in, and says how they are run there."""

    def suite(self, instance: Instance, git: Git) -> Suite:
        """The suite of an instance's hidden tests."""
        ...

    def existing(self, task: Task, git: Git, near: Sequence[str]) -> Suite:
        """The suite of the repository's own tests, or of those in the first files of a ranking."""
        ...

    def surroundings(self, task: Task, git: Git) -> Surroundings:
        """Where code of the repository at the task's version runs."""
        ...


class LocalTestBed:
    """Environments made on this machine on first use, kept in the cache folder."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._official = Official(cache)

    def suite(self, instance: Instance, git: Git) -> Suite:
        """The row's own suite, or the official one.

        Raises NotGradeable, EnvironmentUnavailable, CommitMissing, GitFailed.
        """
        task = instance.task
        if task.test_cmd:
            given = _test_files(instance) if task.recipe and task.recipe.test_files else []
            command = [*parse_command(task.test_cmd), *given]
            return self._own(task, git, command, LOG_PARSERS[str(instance.log_parser)])
        spec, place = self.environment(task, git)
        return self._suite(task, spec, place, self._official.directives(task.repo, instance.test_patch))

    def existing(self, task: Task, git: Git, near: Sequence[str]) -> Suite:
        """All that the row's own command runs, or the official command on the first of the files that are
        `near`, the nearest first.

        Raises NoTestsNear where there are none, and what `suite` raises.
        """
        if task.test_cmd:
            return self._own(task, git, parse_command(task.test_cmd), parse_pytest)
        spec, place = self.environment(task, git)
        if not near:
            raise NoTestsNear(f"{task.instance_id}: the repository has no test file near the change")
        # The official package turns the files of a patch into arguments; of a patch it reads these lines.
        header = "".join(f"diff --git a/{path} b/{path}\n" for path in near[:MAX_FILES])
        return self._suite(task, spec, place, self._official.directives(task.repo, header))

    def surroundings(self, task: Task, git: Git) -> Surroundings:
        """The task's environment; raises NotGradeable, EnvironmentUnavailable, CommitMissing, GitFailed."""
        if task.test_cmd and not task.recipe:
            return own_environment(self._cache).surroundings
        return _surroundings(*self.environment(task, git))

    def environment(self, task: Task, git: Git) -> tuple[Spec, Environment]:
        """The official spec of a task's version and its environment, which is made when it is not there yet.

        Raises NotGradeable, EnvironmentUnavailable, CommitMissing, GitFailed.
        """
        if task.recipe:
            spec = spec_of(task.recipe, task.test_cmd or "")
            where = (self._cache, git, task.repo, task.version or "row", task.setup_commit, spec)
            return spec, environment(*where, of_row=True)
        if not task.version:
            raise NotGradeable(
                f"{task.instance_id} has neither a test command (test_cmd) nor a version, "
                "so nothing says how its tests are run"
            )
        spec = self._official.spec(task.repo, task.version, task.setup_commit, git)
        place = environment(self._cache, git, task.repo, task.version, task.setup_commit, spec)
        return spec, place

    def _own(self, task: Task, git: Git, command: list[str], parse: Callable[[str], Statuses]) -> Suite:
        """The row's command, in an environment by its recipe or in the one that has pytest alone."""

        def read(run: TestRun) -> Readings:
            return Readings(parse(run.log), dict(run.heard.tests))

        if task.recipe:
            spec, place = self.environment(task, git)
            return Suite(command, _surroundings(spec, place), read, place.digest)
        own = own_environment(self._cache)
        return Suite(command, own.surroundings, read, f"own:{own.digest}")

    def _suite(self, task: Task, spec: Spec, place: Environment, arguments: list[str]) -> Suite:
        def read(run: TestRun) -> Readings:
            # The ids of rows are what the official parser makes of a log, so what was heard goes through it.
            said, *heard = map(_known, self._official.statuses(task.repo, [run.log, *run.heard.lines()]))
            return Readings(said, merged(heard))

        return Suite(_command(spec, arguments), _surroundings(spec, place), read, place.digest)


def _test_files(instance: Instance) -> list[str]:
    """The Python files that the test patch leaves, which the commands of SWE-rebench are given."""
    return [path for path in after(instance.test_patch) if path.endswith(".py")]


def _surroundings(spec: Spec, place: Environment) -> Surroundings:
    # Tox starts tests with a link to the interpreter, which forgets its environment: so it is told.
    return Surroundings(
        (place.programs,), place.packages, _variables(spec), place.products.add, kept=(place.folder,)
    )


def _command(spec: Spec, arguments: list[str]) -> list[str]:
    """The spec's lines in a shell; what to test is an argument, never part of the script."""
    script = "\n".join([*tree_commands(spec.pre_install), f'{spec.test_cmd} "$@"'])
    return ["bash", "-c", script, "bash", *arguments]


def _variables(spec: Spec) -> dict[str, str]:
    exported = [match for line in spec.eval_commands if (match := _EXPORT.fullmatch(line))]
    variables = {match[1]: "".join(shlex.split(match[2])) for match in exported}
    for name, value in variables.items():
        if name in {"LANG", "LC_ALL"} and value not in _locales():
            # Where the locale is not installed Python would fall back to ASCII; what matters is UTF-8.
            variables[name] = "C.UTF-8"
    # Tox hides variables from tests; this one says where the tree is.
    return variables | {"TOX_OVERRIDE": "testenv.pass_env+=PYTHONPATH"}


@functools.cache
def _locales() -> frozenset[str]:
    try:
        done = subprocess.run(["locale", "-a"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(name.replace(".utf8", ".UTF-8") for name in done.stdout.split())


def _known(statuses: dict[str, str]) -> Statuses:
    return {test: Status(status) for test, status in statuses.items()}
