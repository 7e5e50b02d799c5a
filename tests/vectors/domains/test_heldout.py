"""Held-out texts: split once and for all, never mixed up, and refused where their form is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.domains import heldout
from vectors.domains.heldout import domains_with_texts, load_heldout
from vectors.errors import TextSetError

texts = st.lists(st.text(min_size=1).filter(str.strip), min_size=8, max_size=60, unique=True)


@pytest.mark.parametrize("domain", domains_with_texts())
def test_every_domain_has_enough_texts_to_certify_on(domain):
    found = load_heldout(domain)
    assert len(found.certification) >= 200
    assert len(found.proposal) >= 42


def test_the_four_domains_of_the_nodes_and_of_tests_have_texts():
    assert {"code_reading", "bug_analysis", "patch_writing", "test_reasoning"} <= set(domains_with_texts())


@given(texts, st.randoms())
def test_the_split_is_fixed_by_the_texts_and_no_text_is_on_both_sides(tmp_path_factory, written, random):
    path = tmp_path_factory.mktemp("texts") / "mine.json"
    path.write_text(json.dumps(written))
    found = load_heldout("anything", path)
    random.shuffle(written)
    path.write_text(json.dumps(written))
    assert load_heldout("anything", path) == found
    sides = [{pair.text for pair in side} for side in (found.proposal, found.certification)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(written)


def test_a_domain_without_texts_says_how_to_give_some():
    with pytest.raises(TextSetError, match="--texts"):
        load_heldout("django_web")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{}", "list of at least 8"),
        (json.dumps(["a"] * 8), "twice"),
        (json.dumps(["a", "b", "c", "d", "e", "f", "g", 7]), "7"),
        (json.dumps(["a", "b", "c", "d", "e", "f", "g", "  "]), "expected text"),
        (json.dumps([f"{i}" for i in range(7)] + ["x" * 2001]), "2000 characters"),
        ("[" * 100_000, "not JSON"),
        ("nonsense", "not JSON"),
    ],
    ids=["object", "twice", "number", "blank", "long", "deep", "no json"],
)
def test_a_file_of_another_form_is_refused_by_what_is_wrong(tmp_path, content, named):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(TextSetError, match=named):
        load_heldout("mine", tmp_path / "mine.json")


def test_a_missing_or_huge_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(TextSetError, match="cannot be read"):
        load_heldout("mine", tmp_path / "none.json")
    monkeypatch.setattr(heldout, "_MAX_FILE_BYTES", 10)
    (tmp_path / "mine.json").write_text(json.dumps([f"text {i}" for i in range(9)]))
    with pytest.raises(TextSetError, match="larger"):
        load_heldout("mine", tmp_path / "mine.json")
