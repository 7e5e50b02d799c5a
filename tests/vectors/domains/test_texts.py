"""The held-out texts that vectors are calibrated on: enough, independent, and none seen in extraction."""

import json
import re
from collections import Counter
from importlib.resources import files

import pytest

from vectors.domains.prompt_sets import domain_names, load_prompt_set

KINDS = ["bug_analysis", "code_reading", "neutral", "patch_writing", "test_reasoning"]
FOLDER = files("vectors.domains") / "texts"


def texts(kind):
    return json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))


def sequences(text, length=6):
    """Each run of `length` words in a text, once."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


def test_there_is_one_file_for_each_step_and_one_of_everyday_prose():
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{kind}.json" for kind in KINDS]
    assert set(KINDS) - {"neutral"} <= set(domain_names())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_holds_enough_texts_to_propose_on_some_and_certify_on_200_others(kind):
    assert len(set(texts(kind))) == len(texts(kind)) >= 320


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_of_like_length_without_space_around_them(kind):
    assert not [text for text in texts(kind) if text != text.strip() or not 15 <= len(text.split()) <= 40]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_written_as_the_others_so_that_a_change_shows_as_one_line(kind):
    stored = (FOLDER / f"{kind}.json").read_bytes().decode()
    assert stored == json.dumps(texts(kind), indent=1, ensure_ascii=False) + "\n"


def test_no_two_texts_share_six_words_in_a_row():
    counts = Counter(words for kind in KINDS for text in texts(kind) for words in sequences(text))
    assert not [" ".join(words) for words, count in counts.items() if count > 1]


@pytest.mark.parametrize("domain", domain_names())
def test_no_text_shares_six_words_in_a_row_with_a_prompt_a_vector_is_extracted_from(domain):
    prompt_set = load_prompt_set(domain)
    extracted = set().union(*(sequences(prompt) for prompt in prompt_set.positive + prompt_set.negative))
    held_out = set().union(*(sequences(text) for kind in KINDS for text in texts(kind)))
    assert not extracted & held_out
