"""The tests hold their level where it is hard: with few controls, with situations, with many places tried."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vectors.statistics import estimates
from vectors.statistics.tests import grouped_mean, holm, improvement_p, mcnemar, outlier_p

values = st.lists(st.integers(-1000, 1000).map(lambda i: i / 100), min_size=3, max_size=40, unique=True)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(values)
def test_without_groups_it_is_the_ordinary_paired_t_test_and_its_interval(found):
    groups = list(range(len(found)))
    reference = stats.ttest_1samp(found, 0, alternative="greater").pvalue
    assert improvement_p(found, groups) == pytest.approx(reference, abs=1e-9)
    assert grouped_mean(found, groups) == estimates.mean(found)


def test_the_interval_excludes_zero_exactly_where_the_test_finds_an_effect():
    rng = np.random.default_rng(0)
    groups = [i % 10 for i in range(60)]
    for shift in np.linspace(-1, 1, 41):
        found = (rng.normal(size=60) + shift).tolist()
        assert (grouped_mean(found, groups).low > 0) == (improvement_p(found, groups) < 0.025)


def test_what_situations_have_in_common_does_not_pass_for_an_effect():
    rng = np.random.default_rng(1)
    groups = [i % 12 for i in range(240)]
    naive = grouped = 0
    for _ in range(600):
        found = (rng.normal(size=12)[groups] + rng.normal(size=240)).tolist()
        grouped += improvement_p(found, groups) <= 0.05
        naive += improvement_p(found, range(240)) <= 0.05
    assert stats.binomtest(grouped, 600).proportion_ci().low <= 0.05
    assert stats.binomtest(grouped, 600).proportion_ci().high >= 0.05
    assert naive > 3 * grouped


@pytest.mark.parametrize("controls", [3, 6, 32])
def test_a_vector_like_its_controls_stands_out_from_them_at_the_stated_rate(controls):
    rng = np.random.default_rng(controls)
    drawn = rng.normal(2.0, 5.0, size=(4000, controls + 1)).tolist()
    found = sum(outlier_p(value, others) <= 0.05 for value, *others in drawn)
    interval = stats.binomtest(found, 4000).proportion_ci(0.99)
    assert interval.low <= 0.05 <= interval.high


def test_beating_every_one_of_a_few_controls_is_not_enough():
    assert outlier_p(1.1, [-1.0, 0.0, 1.0]) > 0.05


def test_what_does_not_vary_is_decided_by_its_sign():
    assert improvement_p([0.0, 0.0, 0.0], [0, 1, 2]) == 1.0
    assert improvement_p([0.5, 0.5], [0, 1]) == 0.0
    assert improvement_p([-0.5, -0.5], [0, 1]) == 1.0
    assert outlier_p(1.0, [0.0, 0.0]) == 0.0


def test_holm_gives_the_published_example():
    # Wikipedia, "Holm–Bonferroni method": 0.01, 0.04, 0.03, 0.005 → 0.03, 0.06, 0.06, 0.02.
    assert holm([0.01, 0.04, 0.03, 0.005], 4) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(probabilities, st.integers(0, 20))
def test_holm_lies_between_the_raw_and_the_bonferroni_values_and_keeps_their_order(found, untested):
    tests = len(found) + untested
    adjusted = holm(found, tests)
    for p, q in zip(found, adjusted, strict=True):
        assert p <= q <= min(1.0, p * tests) or q == pytest.approx(min(1.0, max(found) * tests))
    order = sorted(range(len(found)), key=lambda i: found[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


@given(probabilities, st.integers(0, 20))
def test_tests_that_were_left_out_count_as_failed(found, untested):
    padded = holm([*found, *[1.0] * untested], len(found) + untested)
    assert holm(found, len(found) + untested) == padded[: len(found)]


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_mcnemar_is_the_two_sided_binomial_of_the_pairs_that_differ(pairs):
    found = mcnemar(pairs)
    b, c = found.only_first, found.only_second
    tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert found.n == len(pairs)
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar([(y, x) for x, y in pairs]).p == pytest.approx(found.p)


def test_the_paired_test_gives_the_published_p():
    # Student 1908, Biometrika 6:1: t = 4.0621 on 9 degrees of freedom.
    differences = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert improvement_p(differences, range(10)) == pytest.approx(0.002833 / 2, abs=5e-7)
