"""The figures of a report: rates, paired tests, the funnel, the original's counting."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reporting.funnel import STAGES, UNKNOWN, first_missing, funnel
from orchestrator.reporting.original import loose
from vectors.statistics.rates import average, bootstrap, mcnemar, share

FLAGS = st.lists(st.sampled_from([True, False, None]))
GOOD = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n"


@given(FLAGS)
def test_a_share_counts_what_is_known_and_lies_in_its_interval(flags):
    found = share(flags)
    assert found["n"] == sum(flag is not None for flag in flags)
    if found["n"]:
        low, high = found["ci95"]
        assert 0 <= low <= found["value"] <= high <= 1
    else:
        assert found["value"] is None and found["ci95"] is None


def test_wilsons_interval_is_the_published_one():
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 15 of 148.
    assert share([True] * 15 + [False] * 133)["ci95"] == [0.0624, 0.1605]


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_mcnemar_is_the_two_sided_binomial_of_the_pairs_that_differ(pairs):
    found = mcnemar(pairs)
    b, c = found["only_first"], found["only_second"]
    tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert found["p"] == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar([(y, x) for x, y in pairs])["p"] == pytest.approx(found["p"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_bootstrap_interval_lies_among_the_values_and_is_the_same_each_time(values):
    low, high = bootstrap(values)
    assert min(values) - 1e-3 <= low <= high <= max(values) + 1e-3
    assert bootstrap(values) == [low, high]


def test_one_value_has_a_mean_and_no_interval():
    assert average([2.0, None]) == {"n": 1, "value": 2.0, "ci95": None}
    assert average([]) == {"n": 0, "value": None, "ci95": None}


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
