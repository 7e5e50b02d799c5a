"""Where text is cut: nothing is lost, white does not matter, fields and numerals count as they stand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.lab.geometry.cutters import bytes_and_words
from vectors.lab.geometry.comparing import divergences, profiles
from vectors.lab.geometry.cutting import counted
from vectors.lab.geometry.passages import corpus, fields, own_corpora, own_pairs, timestamps, tool_calls
from vectors.lab.geometry.tokenizers import cuts, pieces

BYTES, WORDS = bytes_and_words()
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(TEXTS)
def test_the_pieces_of_a_text_are_the_text(text):
    for cutter in (BYTES, WORDS):
        assert "".join(pieces(text, cutter.spans([text])[0])) == text


@given(TEXTS)
def test_a_token_a_byte_cuts_before_every_character_and_counts_bytes(text):
    assert BYTES.count(text) == len(text.encode())
    ink = len("".join(text.split()))
    assert cuts(text, BYTES.spans([text])[0]) == list(range(1, ink))


def test_a_cut_before_a_space_is_the_cut_behind_it():
    assert cuts("so be it", [(0, 2), (2, 5), (5, 8)]) == cuts("so be it", [(0, 3), (3, 6), (6, 8)]) == [2, 4]


def test_a_timestamp_has_its_fields_where_they_stand():
    stamp = "2026-03-24T10:05:59+01:30"
    found = {name: stamp[start:end] for name, (start, end) in fields(stamp).items()}
    assert list(found.values()) == ["2026", "03", "24", "10", "05", "59", "01", "30"]
    assert list(fields("2026-03-24T10:05:59Z")) == ["year", "month", "day", "hour", "minute", "second"]


def test_what_is_drawn_is_the_seed_s():
    assert timestamps(20, 1) == timestamps(20, 1) != timestamps(20, 2)
    assert len(set(timestamps(200, 0))) > 190


def test_a_tool_call_is_json_and_knows_its_values():
    for call in tool_calls(20, 3):
        read = json.loads(call.text)
        values = [call.text[start:end] for start, end in call.values]
        arguments = read["arguments"]
        assert values == [
            read["name"],
            arguments["title"],
            arguments["start"],
            arguments["location"],
            *arguments["attendees"],
        ]


@pytest.fixture(scope="module")
def compared():
    code = corpus("code", ["two_words = 1", "plain words", "aName()"], ["a/x", "a/x", "b/y"], code=True)
    corpora = [*own_corpora(), code]
    counts = [counted(cutter, corpora, 50, 0) for cutter in (BYTES, WORDS)]
    return counts, profiles(counts, corpora)


def test_bytes_tear_every_field_and_words_none(compared):
    _, (by_bytes, by_words) = compared
    assert (by_bytes.torn.value, by_words.torn.value) == (1.0, 0.0)
    assert set(by_bytes.by_field) == set(by_words.by_field)
    assert by_bytes.groupings[3][0] == "1+1+1"
    assert by_words.groupings[3][0] == "3"
    assert by_words.torn.n == 50


def test_an_identifier_is_one_piece_more_than_the_cuts_in_it(compared):
    (by_bytes, by_words), (_, words) = compared
    assert [each.names for each in by_bytes.names["code"]] == [1, 0, 1]
    assert [each.tokens for each in by_bytes.names["code"]] == [len("two_words"), 0, len("aName")]
    assert [each.tokens for each in by_words.names["code"]] == [3, 0, 1]
    assert words.costs["code"].whole_names.value == 0.5
    assert words.costs["French"].tokens_per_name is None


def test_the_tokenizer_that_needs_the_fewest_costs_nothing_more(compared):
    _, (by_bytes, by_words) = compared
    assert by_words.costs["English"].more.value == 0
    assert by_bytes.costs["English"].more.value > 1
    assert by_bytes.costs["French"].bytes_per_token.value == 1


def test_two_ways_to_cut_part_at_the_first_cut_that_only_one_makes(compared):
    counts, _ = compared
    (found,) = divergences(counts)
    assert found.differ.n == 2 * len(own_pairs())
    assert found.example.startswith("L‖e")
    assert divergences([counts[0], counts[0]])[0].example == ""
