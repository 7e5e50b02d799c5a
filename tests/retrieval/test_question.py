"""What an issue asks for, and how much less further text asks."""

from hypothesis import given
from hypothesis import strategies as st

from retrieval.question import EXTRA_WEIGHT, Question

NAMES = st.lists(st.sampled_from(["parse_iso", "DateParser", "get_or_create"]), unique=True)


@given(NAMES, NAMES)
def test_a_symbol_weighs_one_in_the_issue_and_less_in_further_text_however_often_it_is_said(issue, extra):
    asked = Question.of(" ".join(issue * 3), extra * 2, (), {})
    for name in {*issue, *extra}:
        weight = (name in issue) + EXTRA_WEIGHT * (name in extra)
        assert abs(asked.symbols[name] - weight) < 1e-9
    assert asked.symbols.keys() == {*issue, *extra}


def test_a_word_of_further_text_weighs_as_much_less_as_a_symbol():
    asked = Question.of("width width", ["width height"], (), {})
    once, twice = Question.of("height", [], (), {}).terms["height"], Question.of("a a", [], (), {}).terms["a"]
    assert (once, asked.terms["height"]) == (1.0, EXTRA_WEIGHT)
    assert once > 2 * asked.terms["height"] > 0
    assert abs(asked.terms["width"] - (twice + EXTRA_WEIGHT)) < 1e-9
    assert 1 < twice < 2


def test_a_file_that_further_text_names_is_named_as_much_less_clearly():
    paths = ["pkg/one.py", "pkg/two.py", "pkg/three.py"]
    asked = Question.of("in pkg/one.py", ["see pkg/one.py", "pkg/two.py"], paths, {})
    assert asked.files == {0: 1 + EXTRA_WEIGHT, 1: EXTRA_WEIGHT}
