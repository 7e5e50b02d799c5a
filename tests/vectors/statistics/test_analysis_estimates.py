"""Figures with n and interval, and the measures of one answer they are made of."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vectors.measuring.measures import degenerate, distinct_2, keyword_hits, kl_bits
from vectors.statistics.estimates import mean, paired, rate

values = st.lists(st.floats(-100, 100), min_size=3, max_size=30)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_rate_has_wilsons_interval_around_it(counts):
    hits, n = counts
    estimate = rate(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= estimate.low <= estimate.value == hits / n <= estimate.high <= 1
    assert estimate.n == n


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


@pytest.mark.parametrize("period", [1, 2, 3, 5])
def test_a_loop_has_as_many_distinct_pairs_as_it_is_long(period):
    looped = list(range(period)) * 12
    assert distinct_2(looped) == period / (len(looped) - 1)
    assert degenerate(SimpleNamespace(token_ids=looped, text="around"))


def test_an_answer_without_repetition_is_sound_and_an_empty_one_is_not():
    assert distinct_2(range(16)) == 1
    assert not degenerate(SimpleNamespace(token_ids=list(range(16)), text="sixteen words"))
    assert not degenerate(SimpleNamespace(token_ids=[7], text="yes"))
    assert degenerate(SimpleNamespace(token_ids=[2], text=" \n"))


def test_keywords_count_once_as_whole_words_in_any_case():
    assert keyword_hits("The Tests test a test; attest", ["test", "tests"]) == 2
    assert keyword_hits("contest", ["test"]) == 0
    assert keyword_hits("file file file", ["file"]) == 1


def test_divergence_is_in_bits_and_ignores_tokens_that_cannot_occur():
    certain = torch.tensor([1.0, 0.0]).log()
    even = torch.tensor([0.5, 0.5]).log()
    assert kl_bits(certain, even) == pytest.approx(1)
    assert kl_bits(even, even) == 0


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_divergence_is_never_negative(one, other):
    one, other = (torch.tensor(logits).log_softmax(0) for logits in (one, other))
    assert kl_bits(one, other) >= 0
