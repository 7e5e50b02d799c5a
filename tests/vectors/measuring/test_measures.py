"""The measures of one answer."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vectors.measuring.measures import degenerate, distinct_2, keyword_hits, kl_bits


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
