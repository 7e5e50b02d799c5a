"""Which words two texts share, and that no text takes long to compare."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.word_differences import stretches

_words = st.text(alphabet="ab \n", max_size=60)


@given(before=_words, after=_words)
def test_stretches_are_both_texts_whole_and_the_same_words_where_they_say_so(before, after):
    found = list(stretches(before, after))
    assert "".join(each[1] for each in found) == before
    assert "".join(each[2] for each in found) == after
    assert all(one.split() == other.split() for same, one, other in found if same)


@pytest.mark.parametrize(
    ("before", "after"), [("a b " * 3000, "b a c " * 2000), ("a " * 9000, "a b " * 4000)]
)
def test_texts_that_repeat_a_few_words_are_compared_as_far_as_it_is_quick(before, after):
    began = time.process_time()
    found = list(stretches(before, after))
    assert time.process_time() - began < 5
    assert any(same for same, _, _ in found)
    assert "".join(each[1] for each in found) == before
