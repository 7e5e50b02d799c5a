"""Figures as a document's reader meets them: rounded, and null where nothing is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.statistics.documents import average, percent, share


@given(st.lists(st.sampled_from([True, False, None])))
def test_a_share_counts_what_is_known_and_lies_in_its_interval(flags):
    found = share(flags)
    assert found["n"] == sum(flag is not None for flag in flags)
    if found["n"]:
        low, high = found["ci95"]
        assert 0 <= low <= found["value"] <= high <= 1
    else:
        assert found["value"] is None and found["ci95"] is None


def test_shares_and_percentages_are_those_of_wilson_rounded():
    assert share([True] * 15 + [False] * 133 + [None]) == {
        "hits": 15, "n": 148, "value": 0.1014, "ci95": [0.0624, 0.1605],
    }  # fmt: skip
    assert percent(15, 148) == {"hits": 15, "n": 148, "percent": 10.1, "ci95": [6.2, 16.0]}
    assert percent(0, 0) == {"hits": 0, "n": 0, "percent": None, "ci95": None}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_interval_of_an_average_lies_among_the_values(values):
    found = average([*values, None])
    low, high = found["ci95"]
    assert found["n"] == len(values)
    assert found["value"] == pytest.approx(sum(values) / len(values), abs=1e-3)
    assert min(values) - 1e-3 <= low <= high <= max(values) + 1e-3


def test_one_value_has_a_mean_and_no_interval():
    assert average([2.0, None]) == {"n": 1, "value": 2.0, "ci95": None}
    assert average([]) == {"n": 0, "value": None, "ci95": None}
