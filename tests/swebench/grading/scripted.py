"""Test runs that are told instead of run, so that the rules over them are decided without any process."""

from collections.abc import Mapping

from swebench.running.hearing import Heard, Status
from swebench.running.runner import TestRun

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
