"""Rates of two conditions on the same items."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.statistics.contrasts import contrasts, paired_rates

flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(flags)
def test_a_difference_lies_in_its_interval_and_turns_round_with_the_conditions(pairs):
    ones, others = zip(*pairs, strict=True)
    found, back = paired_rates(ones, others), paired_rates(others, ones)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_the_interval_is_that_of_bonett_and_price():
    """12 pairs of 60 have only the first, 4 only the second: worked by hand from their formula."""
    pairs = [(True, False)] * 12 + [(False, True)] * 4 + [(True, True)] * 44
    found = paired_rates(*zip(*pairs, strict=True))
    assert (found.value, found.n) == (pytest.approx(8 / 60), 60)
    more, less = 13 / 62, 5 / 62
    half = 1.959964 * ((more + less - (more - less) ** 2) / 62) ** 0.5
    assert (found.low, found.high) == pytest.approx((more - less - half, more - less + half), abs=1e-6)


def test_it_covers_the_truth_in_at_least_94_of_100_samples_where_few_pairs_differ():
    draw = random.Random(1)
    inside = 0
    for _ in range(1000):
        drawn = [draw.random() for _ in range(200)]
        found = paired_rates([u < 0.02 for u in drawn], [u > 0.97 for u in drawn])
        inside += found.low <= -0.01 <= found.high
    assert inside >= 940


def test_a_family_is_adjusted_together():
    clear = ([True] * 20, [False] * 20)
    same = ([True] * 20, [True] * 20)
    alone, both = contrasts([clear])[0], contrasts([clear, same])
    assert both[0].p == alone.p == alone.p_holm
    assert both[0].p_holm == pytest.approx(2 * alone.p)
    assert (both[1].p, both[1].p_holm) == (1, 1)
    assert (both[0].only_first, both[0].only_second) == (20, 0)
    assert contrasts([]) == []
