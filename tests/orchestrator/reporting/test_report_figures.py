"""The figures of a report: the funnel, the original's counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reporting.funnel import STAGES, UNKNOWN, first_missing, funnel
from orchestrator.reporting.original import loose

GOOD = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n"


@given(st.lists(st.sampled_from([*STAGES, "", UNKNOWN])))
def test_fewer_pass_each_stage_and_nobody_is_lost_twice(lost):
    resolved = [None if at == UNKNOWN else at == "" for at in lost]
    rows = funnel(lost, resolved)
    passed = [row["hits"] for row in rows]
    assert passed == sorted(passed, reverse=True)
    assert sum(row["lost"] for row in rows) + lost.count("") + lost.count(UNKNOWN) == len(lost)


def test_a_resolved_task_has_passed_every_stage_wherever_its_patch_is():
    passed = dict.fromkeys(STAGES, False)
    assert first_missing(passed | {"resolved": True}) == ""
    assert first_missing(passed) == "retrieved"
    assert first_missing(dict.fromkeys(STAGES, True) | {"resolved": None}) == UNKNOWN


@pytest.mark.parametrize(
    ("patch", "paths", "quality"),
    [
        ("", 0.0, 0.0),
        ("any text", 0.0, 0.2 * 0.1),
        (GOOD, 1.0, 0.25 + 0.35 + 0.2 * 1.0 + 0.2),
        (GOOD.replace("+z\n", ""), 1.0, 0.25 + 0.35 + 0.2 * 0.75 + 0.2 * 0.5),
        (GOOD.replace("a.py", "made_up.py"), 0.0, 0.25 + 0.2 + 0.2),
        (GOOD.replace(" x\n", ""), 1.0, 0.25 + 0.35 + 0.2 * 0.5 + 0.2),
        (GOOD.replace(" x\n", " x\n" * 50), 1.0, 0.25 + 0.35 + 0.2 * 0.1 + 0.2),
        (
            "--- a/a.py\n+++ b/b.py\n@@ -1 +1 @@\n-y\n+z\n w\n w\n",
            0.5,
            0.25 * 0.75 + 0.35 * 0.5 + 0.2 * 0.75 + 0.2,
        ),
    ],
)
def test_the_originals_quality_is_its_published_formula(patch, paths, quality):
    found = loose(patch, {"a.py"})
    assert found.valid == bool(patch)
    assert found.paths == pytest.approx(paths)
    assert found.quality == pytest.approx(quality)
