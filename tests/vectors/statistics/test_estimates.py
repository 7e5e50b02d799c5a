"""Figures with n and their intervals, beside published ones and formulas written out."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vectors.statistics.estimates import bootstrapped, mean, paired, rate

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(-100, 100), min_size=3, max_size=30)


@pytest.mark.parametrize(
    ("hits", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_rates_have_the_published_intervals(hits, n, wilson, exact):
    # Newcombe 1998, Statistics in Medicine 17:857, table I, methods 3 and 5.
    for method, wanted in (("wilson", wilson), ("exact", exact)):
        found = rate(hits, n, method)
        assert (found.low, found.high) == pytest.approx(wanted, abs=5e-5)
        assert (found.value, found.n) == (hits / n, n)


@given(counts)
def test_wilsons_interval_is_its_formula_and_lies_around_the_rate(counts):
    (hits, n), z = counts, stats.norm.ppf(0.975)
    estimate, share = rate(hits, n), hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    assert (estimate.low, estimate.high) == pytest.approx((middle - half, middle + half), abs=1e-9)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@given(counts)
def test_the_exact_interval_holds_what_is_as_unlikely_as_the_tails(counts):
    hits, n = counts
    found = rate(hits, n, "exact")
    assert found.low == (0 if hits == 0 else pytest.approx(stats.beta.ppf(0.025, hits, n - hits + 1)))
    assert found.high == (1 if hits == n else pytest.approx(stats.beta.ppf(0.975, hits + 1, n - hits)))


def test_a_mean_has_the_published_interval():
    # Student 1908, Biometrika 6:1: additional hours of sleep, the differences of his table.
    found = mean([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert (found.value, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858))


@given(values)
def test_a_mean_has_students_interval_around_it(numbers):
    estimate = mean(numbers)
    if max(numbers) - min(numbers) > 1e-3:
        expected = stats.t.interval(0.95, len(numbers) - 1, estimate.value, stats.sem(numbers))
        assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert estimate.low <= estimate.value <= estimate.high


def test_an_interval_ends_where_the_quantity_does():
    assert mean([0.0, 0.0, 9.0]).low < 0
    assert mean([0.0, 0.0, 9.0], at_least=0.0).low == 0


@given(values)
def test_pairing_takes_out_what_both_conditions_share(numbers):
    shifted = [number + 2 for number in numbers]
    estimate = paired(shifted, numbers)
    assert estimate.value == pytest.approx(2)
    assert estimate.high - estimate.low < 1e-6
    with pytest.raises(ValueError, match="longer"):
        paired(shifted[1:], numbers)


@given(values)
def test_the_bootstrap_is_that_of_ten_thousand_means_and_the_same_each_time(numbers):
    chosen = np.random.default_rng(20).integers(0, len(numbers), (10_000, len(numbers)))
    wanted = np.quantile(np.asarray(numbers)[chosen].mean(axis=1), (0.025, 0.975))
    found = bootstrapped(numbers)
    assert (found.low, found.high) == pytest.approx(wanted.tolist(), abs=1e-9)
    assert (found.value, found.n) == (pytest.approx(np.mean(numbers), abs=1e-9), len(numbers))
    assert bootstrapped(numbers) == found


def test_nothing_of_scipy_is_imported_before_an_interval_is_computed():
    modules = "vectors.statistics.estimates, vectors.statistics.tests, vectors.statistics.documents"
    script = f"import sys, {modules}; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
