"""Whether what is known of a test run agrees: the reporter, the log and the exit code.

The reporter decides what became of each test, since a tree cannot print to it. Log and exit code must say the
same, else there is no verdict: something other than the tests has spoken.
"""

from collections.abc import Iterable
from typing import NamedTuple

from swebench.grading.log_parsers import status_of
from swebench.running.hearing import RANK, Status
from swebench.running.runner import TestRun

Statuses = dict[str, Status]


class Readings(NamedTuple):
    """The statuses of a run's tests by the ids that rows use: as its log says, and as the reporter does."""

    said: Statuses
    heard: Statuses


def merged(readings: Iterable[Statuses]) -> Statuses:
    """One status for each id: the worst, or MISSING where an id was cut and its tests do not agree."""
    found: Statuses = {}
    for reading in readings:
        for test, status in reading.items():
            before = found.setdefault(test, status)
            agree = before.passes == status.passes
            found[test] = min(before, status, key=RANK.__getitem__) if agree else Status.MISSING
    return found


def disagreement(run: TestRun, readings: Readings, tests: Iterable[str], timeout_s: float) -> str:
    """Why a run is no evidence of what became of `tests`; empty where it is."""
    if run.timed_out:
        return f"the tests did not end within {timeout_s:g} s"
    if run.heard.fault:
        last = (run.log.strip().splitlines() or ["no output"])[-1]
        return f"{run.heard.fault} (exit code {run.exit_code}): {last[:200]}"
    failed = [test for test, status in run.heard.tests.items() if status.fails]
    if run.exit_code and not failed:
        return f"the command ended with exit code {run.exit_code}, but no test failed"
    if failed and not run.exit_code:
        return (
            f"the command ended with exit code 0, but {len(failed)} tests failed, such as {failed[0][:200]}"
        )
    for test in tests:
        said, heard = (status_of(test, reading) for reading in readings)
        if said.passes != heard.passes:
            return f"the log has {said} for {test[:200]}, the reporter {heard}"
    return ""
