"""Requests for a calendar and what answers to them are worth."""

import json
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.lab.evaluation.calendar_cases import FIELDS, shots, today, variants, written_cases
from vectors.lab.evaluation.calendar_scores import WEIGHTS, marks

CASES = {case.id: case for case in [*written_cases(), *variants(40, 0)]}


def answer(case, **changes):
    """A right answer, with some fields changed."""
    wanted = case.expected
    first = {name: getattr(wanted, name)[0] for name in FIELDS if name != "attendees"}
    return first | {"attendees": sorted(wanted.attendees[0])} | changes


def test_the_29_are_of_the_kinds_and_languages_that_are_said():
    cases = written_cases()
    assert Counter(case.kind for case in cases) == {"simple": 7, "complex": 11, "ambiguous": 5, "edge": 6}
    assert Counter(case.language for case in cases) == {"fr": 18, "en": 11}
    assert Counter(shot.language for shot in shots()) == {"en": 3, "fr": 2}
    assert f"{today():%A}" == "Wednesday"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_expected_of_a_case_is_exact(case):
    found = marks(f"Here it is: {json.dumps(answer(case))}.", case.expected)
    assert found.exact
    assert found.partial == pytest.approx(1)


def test_variants_are_the_seed_s_and_none_is_twice():
    cases = variants(300, 4)
    assert cases == variants(300, 4) != variants(300, 5)
    assert len({case.text for case in cases}) == 300
    assert len({case.group for case in cases}) == 20


@given(st.integers(0, 1000))
def test_a_variant_s_values_are_days_and_times_and_its_text_has_no_slot_left(seed):
    for case in variants(20, seed):
        assert "{" not in case.text
        assert all(date.fromisoformat(day) > today() for day in case.expected.date)
        assert all(name in case.text for people in case.expected.attendees for name in people)
        for clock in (*case.expected.start_time, *case.expected.end_time):
            assert clock is None or "08:00" <= clock <= "21:00"


def test_no_example_is_a_case():
    asked = {case.text for case in CASES.values()}
    assert not asked & {shot.text for shot in shots()}
    assert all(set(shot.answer) == set(FIELDS) for shot in shots())


@pytest.mark.parametrize("field", ["date", "start_time", "end_time", "location", "attendees", "title"])
def test_one_wrong_field_is_wrong_alone(field):
    case = CASES["sprint"]
    wrong = {"attendees": ["Nadia"], "title": "Something else"}.get(field, "wrong")
    found = marks(json.dumps(answer(case, **{field: wrong})), case.expected)
    assert [name for name, right in found.right.items() if not right] == [field]
    assert found.partial == pytest.approx(1 - WEIGHTS.get(field, 0))
    assert not found.exact


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_time", "9:15"),
        ("start_time", "09:15:00"),
        ("start_time", "9h15"),
        ("date", "2026-10-08T09:15:00"),
        ("end_time", "null"),
        ("end_time", ""),
        ("attendees", "bank"),
        ("attendees", None),
        ("attendees", [{"name": "The Bank"}]),
        ("title", "call the BANK"),
    ],
)
def test_other_ways_to_write_what_is_right_are_right(field, value):
    case = CASES["bank"]
    assert marks(json.dumps(answer(case, **{field: value})), case.expected).right[field]


def test_an_answer_without_an_event_has_nothing_right_and_is_told_apart():
    for text in ("", "I cannot.", '{"other": 1}', '{"title": "cut o', "{" * 5000, "[1]"):
        found = marks(text, CASES["bank"].expected)
        assert not found.parsed
        assert found.partial == 0
        assert not any(found.right.values())


def test_the_last_event_counts_where_steps_come_before_it():
    case = CASES["bank"]
    text = f'1. {{"title": "draft"}}\n2. {json.dumps(answer(case))}'
    assert marks(text, case.expected, last=True).exact
    assert not marks(text, case.expected).exact


def test_a_call_s_arguments_are_the_event():
    case = CASES["bank"]
    call = {"name": "add_event", "arguments": answer(case)}
    assert marks(f"<tool_call>\n{json.dumps(call)}\n</tool_call>", case.expected).exact


@given(st.text(alphabet='{}[]":, truefalsnitd0-9', max_size=60))
def test_no_answer_breaks_the_scoring(text):
    found = marks(text, CASES["bank"].expected)
    assert 0 <= found.partial <= 1
