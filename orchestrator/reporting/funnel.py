"""Where tasks fail: each is lost at the first stage that it does not pass."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.reporting.document import StageShare
from vectors.statistics.documents import share

STAGES = {
    "retrieved": "a file of the gold patch is among the retrieved ones",
    "region": "an edit was tried in a function that the gold patch changes",
    "candidate": "such an edit became a patch",
    "applies": "such a patch was checked and applies",
    "tests": "the patch handed in is there; with --run-tests it passed the existing tests",
    "resolved": "the hidden tests pass, of the certified instances",
}
"""In order, with what passing means. A resolved task has passed every stage, wherever its patch is."""

UNKNOWN = "not graded"


def first_missing(passed: Mapping[str, bool | None]) -> str:
    """The first stage not passed; empty for a resolved task, UNKNOWN where only a verdict is missing."""
    if passed["resolved"]:
        return ""
    for stage in STAGES:
        if passed[stage] is None:
            return UNKNOWN
        if not passed[stage]:
            return stage
    return ""


def funnel(lost: Sequence[str], resolved: Iterable[bool | None]) -> list[StageShare]:
    """For each stage: its meaning, how many it lost, and the share of the tasks that passed it.

    `lost` has where each task was lost. The share at the last stage is of the tasks with a verdict that
    counts, wherever the others were lost.
    """
    at, left = Counter(lost), len(lost)
    rows: list[StageShare] = []
    for stage, means in STAGES.items():
        left -= at[stage]
        passed = (
            share([True] * left + [False] * (len(lost) - left)) if stage != "resolved" else share(resolved)
        )
        rows.append({"stage": stage, "means": means, "lost": at[stage], **passed})
    return rows
