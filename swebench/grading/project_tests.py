"""A project's own tests, for a solver: what they say at the base commit, and whether a patch breaks any.

They are run once without a patch; what fails then is not held against a patch. Where something fails they are
run again, since a test that passes now and then says nothing. A test that fails with a patch alone gets
a second chance for the same reason.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from swebench.errors import NotGradeable
from swebench.files import write_atomic
from swebench.grading.suites import MAX_FILES, Nearest
from swebench.grading.verdicts import ExistingTests
from swebench.patches.plumbing import Git
from swebench.patches.trees import Scratch
from swebench.running import launch
from swebench.running.commands import TestCommand
from swebench.running.driving import Driver
from swebench.running.failing import FailingTests
from swebench.running.hearing import Status
from swebench.running.runner import Surroundings, TestRun, run_tests

BASELINE_TIMEOUT_S = 1200.0
QUICK_S = 20.0
"""Tests that take longer are run in two steps: those nearest to a change, and where they pass all."""
_TIMES, _MORE_S = 3.0, 60.0
"""A candidate gets so many times what the tests took without a patch, and so much more."""
WHOLE = "the whole command"
"""Stands for a test where a command starts no runner that can be heard: only its exit code is known."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Baseline:
    """What tests do at the base commit, by name: always pass, always fail, or now this and now that."""

    passing: tuple[str, ...]
    failing: tuple[str, ...]
    flaky: tuple[str, ...]
    seconds: float


class ProjectTests:
    """How a project is tested, at a commit.

    Args:
        within: Where the command runs; the first of its programs' folders has the interpreter.
        place: Names that, in words.
        digest: Of the environment, for what is kept of the baseline in `cache`.
    """

    def __init__(
        self,
        git: Git,
        commit: str,
        command: TestCommand,
        within: Surroundings,
        place: str,
        digest: str,
        cache: Path,
    ) -> None:
        self.command, self.within, self.place = command, within, place
        self._git, self._commit = git, commit
        arguments = [
            commit,
            within.folder,
            command.program,
            command.arguments,
            dict(command.variables),
            digest,
        ]
        self.digest = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:16]
        self._kept = cache / "baselines" / f"{self.digest}.json"

    @property
    def timeout_s(self) -> float:
        """What a candidate's tests may take."""
        return _TIMES * self.baseline.seconds + _MORE_S

    @cached_property
    def baseline(self) -> Baseline:
        """What the tests do without a patch; raises what `measure` raises."""
        return self.measure(lambda *_: None)

    def measure(self, progress: Progress, *, fresh: bool = False) -> Baseline:
        """Run the tests without a patch, unless that was done before with the same commit and environment.

        Raises NotGradeable where they do not run or do not end, GitFailed, UnsafePath.
        """
        if fresh or not self._kept.is_file():
            label = f"the tests as they are: {self.command.text}"
            progress(label, 0, 1)
            found = self._measured()
            write_atomic(self._kept, json.dumps(asdict(found)))
            progress(label, 1, 1)
        kept = json.loads(self._kept.read_text("utf-8"))
        passing, failing, flaky = (tuple(kept[name]) for name in ("passing", "failing", "flaky"))
        self.__dict__["baseline"] = found = Baseline(passing, failing, flaky, kept["seconds"])
        return found

    def _measured(self) -> Baseline:
        with Scratch(self._git, self._commit) as scratch:
            run = self._run(scratch, scratch.base, (), BASELINE_TIMEOUT_S)
            first = self._statuses(run)
            failing = [test for test, status in first.items() if status.fails]
            if run.timed_out:
                raise NotGradeable(
                    f"the project's tests do not end within {BASELINE_TIMEOUT_S:g} s ({self.command.text}): "
                    "name a command that runs fewer with --test-command"
                )
            if not any(status.passes or status is Status.FAILED for status in first.values()):
                raise NotGradeable(
                    f"the project's tests do not run: {self.command.text} with {self.place}: "
                    f"{_complaint(run)}; name another command (--test-command) or environment "
                    "(--environment DIR), or have one made (--environment create)"
                )
            second: Mapping[str, Status] = {}
            if failing:
                only = () if run.seconds <= QUICK_S else failing
                second = self._statuses(self._run(scratch, scratch.base, only, BASELINE_TIMEOUT_S))
        flaky = [
            test
            for test, status in first.items()
            if test in second and (status.passes, status.fails) != (second[test].passes, second[test].fails)
        ]
        return Baseline(
            tuple(test for test, status in first.items() if status.passes and test not in flaky),
            tuple(test for test in failing if test not in flaky),
            tuple(flaky),
            round(run.seconds, 2),
        )

    def check(self, patch: str, nearest: Nearest = lambda _: ()) -> ExistingTests:
        """Whether what always passes without a patch passes with it; raises PatchDoesNotApply, UnsafePath.

        Of tests that take long, those of the files that `nearest` ranks first are run before all.
        """
        with Scratch(self._git, self._commit) as scratch:
            patched = scratch.apply(patch, scratch.base)
            seconds = 0.0
            for only in self._steps(patch, nearest):
                run = self._run(scratch, patched, only, self.timeout_s)
                statuses = self._statuses(run)
                seconds += run.seconds
                failed = self._broken(statuses, of_all=not only)
                if failed and self.command.program != "command" and not run.timed_out:
                    again = self._run(scratch, patched, failed, self.timeout_s)
                    seconds += again.seconds
                    failed = self._broken({**statuses, **self._statuses(again)}, of_all=not only)
                if failed or run.timed_out:
                    break
        passed = sum(status.passes for status in statuses.values())
        still = tuple(test for test in self.baseline.failing if test in statuses and statuses[test].fails)
        return ExistingTests(not failed and not run.timed_out, passed, failed, statuses, run, seconds, still)

    def failing_tests(self, tests: Sequence[str], timeout_s: float) -> FailingTests:
        """Tests that fail at the base commit, as what shows the fault."""
        driver = Driver(self._git, self._commit, (), timeout_s, self.within)
        return FailingTests(driver, self.command.program, self.command.arguments, tests)

    def _steps(self, patch: str, nearest: Nearest) -> list[Sequence[str]]:
        if self.baseline.seconds <= QUICK_S or self.command.program == "command":
            return [()]
        inside = f"{self.within.folder}/" if self.within.folder else ""
        near = [path.removeprefix(inside) for path in nearest(patch) if path.startswith(inside)]
        return [near[:MAX_FILES], ()] if near else [()]

    def _broken(self, statuses: Mapping[str, Status], *, of_all: bool) -> tuple[str, ...]:
        """The tests that pass without the patch and do not with it; of a few, those that ran."""
        return tuple(
            test
            for test in self.baseline.passing
            if (of_all or test in statuses)
            and not (statuses.get(test, Status.MISSING).passes or statuses.get(test) is Status.SKIPPED)
        )

    def _run(self, scratch: Scratch, tree: str, only: Sequence[str], timeout_s: float) -> TestRun:
        if self.command.program == "command":
            return run_tests(scratch, tree, list(self.command.arguments), timeout_s, self.within)
        given = {
            "program": self.command.program,
            "arguments": self.command.arguments,
            "only": only,
            "root": self.within.root,
            "sources": [*self.within.sources, *map(str, self.within.packages)],
        }
        command = [str(self.within.programs[0] / "python"), launch.__file__, json.dumps(given)]
        return run_tests(scratch, tree, command, timeout_s, self.within.without_sources())

    def _statuses(self, run: TestRun) -> dict[str, Status]:
        if run.heard.tests or self.command.program != "command":
            return dict(run.heard.tests)
        if run.exit_code in {126, 127}:
            return {}
        return {WHOLE: Status.FAILED if run.exit_code else Status.PASSED}


def _complaint(run: TestRun) -> str:
    """The line of a log that says most of why no test ran."""
    lines = [line.strip() for line in run.log.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("E  ") or "Error" in line or "error:" in line]
    return ((telling or lines or ["no output"])[-1]).removeprefix("E").strip()[:200]
