"""The text form of steering: what is written is read back, and what cannot be read is pointed at."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.errors import SteeringMismatch
from vectors.operations import OPERATIONS
from vectors.steering.positions import (
    ALL,
    Both,
    Either,
    Generated,
    Last,
    Not,
    Prompt,
    Said,
    Special,
    TokenIs,
    Window,
)
from vectors.steering.reading import condition_of, layers_of, positions_of, terms_of
from vectors.steering.terms import PROFILES, NamedCondition, NamedProbe, Span, Strength, Term
from vectors.steering.text import written, written_condition, written_layers, written_positions

counts = st.integers(0, 10**6)
roles = st.sampled_from(["system", "user", "assistant"])
atoms = st.one_of(
    st.sampled_from([ALL, Prompt(), Last(), Special(), Generated()]),
    st.builds(Generated, st.just(0), counts),
    st.builds(Generated, st.integers(1, 10**6)),
    st.builds(Window, st.integers(-(10**6), 10**6), st.none() | st.integers(-(10**6), 10**6)),
    st.builds(TokenIs, counts),
    st.builds(Said, roles),
)


def several(kind):
    return lambda inner: st.builds(kind, st.lists(inner, min_size=2, max_size=3).map(tuple))


selections = st.recursive(
    atoms, lambda inner: st.one_of(st.builds(Not, inner), several(Both)(inner), several(Either)(inner))
)
finite = st.floats(allow_nan=False, allow_infinity=False)
units = st.sampled_from(["alpha", "share", "dose"])
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True) | st.text(
    st.characters(exclude_characters='"\n', exclude_categories=["Cs"]), min_size=1, max_size=12
)
conditions = st.builds(
    NamedCondition, st.builds(NamedProbe, names, st.integers(0, 99)), st.booleans(), finite, st.booleans()
)
spans = st.builds(
    lambda first, more, profile: Span(first, first + more, profile if more else "flat"),
    st.integers(0, 99),
    st.integers(0, 9),
    st.sampled_from(PROFILES),
)
layers = st.lists(spans, min_size=1, max_size=3).map(tuple)
terms = st.builds(
    Term,
    names,
    st.sampled_from([*OPERATIONS]),
    st.builds(
        Strength,
        finite.filter(lambda value: math.copysign(1, value) == 1 or value),
        st.sampled_from(["alpha", "share", "dose"]),
    ),
    st.just(()) | layers,
    selections,
    st.none() | conditions,
)


@given(st.lists(terms, max_size=3).map(tuple))
def test_what_is_written_is_read_back_as_the_very_same_terms(given_):
    text = written(given_)
    assert terms_of(text) == given_
    assert written(terms_of(text)) == text


@given(selections, layers, conditions)
def test_so_are_positions_layers_and_conditions_by_themselves(positions, spans_, when):
    assert positions_of(written_positions(positions)) == positions
    assert layers_of(written_layers(spans_)) == spans_
    assert condition_of(written_condition(when)) == when


def test_a_text_says_what_it_looks_like():
    first, second = terms_of("20%·bug_analysis@16[generated] - 0.1·style@12..18 when humour@9>0.4")
    assert first == Term("bug_analysis", "add", Strength(0.2, "share"), (Span(16, 16),), Generated())
    condition = NamedCondition(NamedProbe("humour", 9), above=True, threshold=0.4)
    assert second == Term("style", "add", Strength(-0.1, "alpha"), (Span(12, 18),), ALL, condition)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("style", Term("style")),
        ("-style", Term("style", strength=Strength(-1.0))),
        ("2x style", Term("style", strength=Strength(2.0))),
        ("2 x", Term("x", strength=Strength(2.0, "alpha"))),
        ("ablate(style)@3..9", Term("style", "ablate", layers=(Span(3, 9),))),
        (
            "30*cap(style)@1,4..6 peak",
            Term("style", "cap", Strength(30.0, "alpha"), (Span(1, 1), Span(4, 6, "peak"))),
        ),
        (
            '"../a b.st"[!special & (user | last)]',
            Term("../a b.st", positions=Both((Not(Special()), Either((Said("user"), Last()))))),
        ),
        (
            "a [-4..-1 | first 8 | token 13]",
            Term("a", positions=Either((Window(-4, -1), Generated(0, 8), TokenIs(13)))),
        ),
        (
            "a when cos(b)@2 < -0.5",
            Term("a", when=NamedCondition(NamedProbe("b", 2), False, -0.5, cosine=True)),
        ),
    ],
)
def test_each_part_has_its_form(text, term):
    assert terms_of(text) == (term,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read at its end; write, for example, 20%·bug_analysis@16"),
        ("20%·", "at its end"),
        ("20%·style@", "at its end"),
        ("style @ 16 [sometimes]", "at 'sometimes]'"),
        ("style ++ other", r"at '\+ other'"),
        ("0.2·0.3·style", "at '0.3·style'"),
        ("style@18..12", "layers 18..12: expected the lower one first"),
        ("bend(style)", "there is no operation 'bend': expected add or multiply"),
        ("style@0..999", "256 interventions"),
        ("1e999·style", "expected a finite number"),
        ("a" * 10_001, "at most 10000"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line_that_points_at_it(text, message):
    with pytest.raises(SteeringMismatch, match=message) as refused:
        terms_of(text)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=60))
def test_any_other_text_is_read_or_refused(text):
    try:
        assert terms_of(written(terms_of(text))) == terms_of(text)
    except SteeringMismatch as error:
        assert str(error)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_spreads_a_strength_over_layers(profile):
    weights = dict(Span(4, 8, profile).weights())
    assert [*weights] == [4, 5, 6, 7, 8]
    spread = {"flat": [1] * 5, "even": [0.2] * 5, "peak": [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]}[profile]
    assert [*weights.values()] == pytest.approx(spread)
