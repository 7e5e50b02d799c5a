"""Test runs that are told instead of run, so that the rules over them are decided without any process."""

from collections.abc import Mapping

from swebench.grading import verdicts
from swebench.grading.evidence import Readings
from swebench.grading.log_parsers import parse_pytest
from swebench.grading.suites import Suite
from swebench.running.hearing import Heard, Status
from swebench.running.runner import TestRun
from tests.swebench.conftest import HERE

SUMMARY = "=========================== short test summary info ============================"


def summary(statuses: Mapping[str, Status]) -> str:
    """The end of a log of pytest's with these outcomes; of what was skipped it says no name."""
    told = [f"{status} {test}" for test, status in statuses.items() if status is not Status.SKIPPED]
    return "\n".join([SUMMARY, *told, ""])


def told_run(
    statuses: Mapping[str, Status],
    *,
    said: Mapping[str, Status] | None = None,
    exit_code: int | None = None,
    log: str | None = None,
    seconds: float = 1.0,
    timed_out: bool = False,
    fault: str = "",
) -> TestRun:
    """A run whose reporter heard `statuses`; log and exit code agree with it unless they are told."""
    if exit_code is None:
        exit_code = int(any(status.fails for status in statuses.values()))
    if log is None:
        log = summary(statuses if said is None else said)
    return TestRun(exit_code, log, seconds, timed_out, True, Heard("pytest", dict(statuses), fault))


class ToldBed:
    """A test bed whose runs are told by what `calc.py` holds; it keeps what it was asked and how it ran.

    A run is told as one, or as an error that is raised; `environment` is what it calls the place of its runs.
    """

    def __init__(self, monkeypatch, runs, environment="told"):
        self.runs, self.environment = runs, environment
        self.asked, self.ran = [], []
        monkeypatch.setattr(verdicts, "run_tests", self._run)

    def suite(self, instance, git):
        assert git.directory.is_dir()
        self.asked.append(instance)
        return self._suite()

    def existing(self, task, git, near):
        assert git.directory.is_dir()
        self.asked.append((task, near))
        return self._suite()

    def _suite(self):
        return Suite(
            ["the", "command"],
            HERE,
            lambda run: Readings(parse_pytest(run.log), dict(run.heard.tests)),
            self.environment,
        )

    def _run(self, scratch, tree, command, timeout_s, within):
        files = {entry.path: entry.blob for entry in scratch.entries(tree)}
        texts = dict(zip(files, (each.decode() for each in scratch.blobs(list(files.values()))), strict=True))
        self.ran.append((texts, command, timeout_s, within))
        told = self.runs[texts.get("calc.py", "")]
        if isinstance(told, Exception):
            raise told
        return told
