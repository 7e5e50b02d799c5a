"""Pairs of one's own, in whatever file they are, and domains kept beside the vectors of a library."""

import json

import pytest

from vectors.domains.own_domains import Domain, Domains, read_pairs
from vectors.domains.prompt_sets import PromptSetError, domain_names, load_prompt_set
from vectors.errors import TextSetError

PAIRS = [["so it is", "maybe"], ["I did", "who knows"]]
TEXTS = tuple(f"text {number}" for number in range(8))


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.json", {"positive": ["so it is", "I did"], "negative": ["maybe", "who knows"]}),
        ("mine.json", PAIRS),
        ("mine.json", [{"positive": one, "negative": other} for one, other in PAIRS]),
        ("mine.txt", "# pairs\n\nso it is\tmaybe\nI did\t who knows \n"),
        ("mine.tsv", "so it is\tmaybe\r\nI did\twho knows\r\n"),
        ("mine.jsonl", '["so it is", "maybe"]\n{"positive": "I did", "negative": "who knows"}\n'),
        ("mine.txt", "\ufeffso it is\tmaybe\nI did\twho knows"),
    ],
)
def test_pairs_are_read_from_json_and_from_text(tmp_path, name, content):
    found = read_pairs(written(tmp_path, name, content))
    assert found.domain == "mine"
    assert list(zip(found.positive, found.negative, strict=True)) == [tuple(pair) for pair in PAIRS]


def test_a_name_given_comes_before_the_files_own_and_that_before_its_name(tmp_path):
    path = written(
        tmp_path, "file.json", {"domain": "inside", "positive": ["a", "b"], "negative": ["c", "d"]}
    )
    assert read_pairs(path).domain == "inside"
    assert read_pairs(path, "given").domain == "given"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("mine.txt", "so it is\tmaybe\nno tab here\n", "line 2"),
        ("mine.txt", "a\tb\tc\n", "line 1"),
        ("mine.txt", '["a", "b"]\n["a",\n', "line 2 is not JSON"),
        ("mine.txt", "a\tb\n", "at least 2"),
        ("mine.txt", "a\tb\na\tc\n", "the same text twice"),
        ("mine.json", [["a", "b"], ["c"]], "pair 2"),
        ("mine.json", [["a", 1], ["c", "d"]], "negative holds '1'"),
        ("mine.json", "{", "not JSON"),
        ("mine.json", "3", "expected"),
        ("mine.json", {"positive": ["a", "b"], "negative": ["c", "d"], "alpha": 3}, "exactly"),
        ("../no name.json", PAIRS, "no name of a domain"),
    ],
)
def test_what_is_no_set_of_pairs_is_told_in_one_line(tmp_path, name, content, told):
    (tmp_path / "in").mkdir()
    with pytest.raises(PromptSetError, match=told) as refused:
        read_pairs(written(tmp_path / "in", name, content))
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text_are_told(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"\xff\tb\n")
    with pytest.raises(PromptSetError, match="not UTF-8"):
        read_pairs(tmp_path / "mine.txt")


def test_a_kept_domain_comes_back_whole(tmp_path):
    domains = Domains(tmp_path)
    mine = Domain(read_pairs(written(tmp_path, "mine.json", PAIRS)), "pca", "mean", TEXTS)
    domains.keep(mine)
    assert domains.load("mine") == mine
    assert domains.names() == sorted([*domain_names(), "mine"])
    assert len(domains.heldout("mine").proposal) == 2


def test_the_projects_domains_are_what_they_are_in_every_library(tmp_path):
    for name in domain_names():
        assert Domains(tmp_path).load(name) == Domain(load_prompt_set(name))


def test_an_unknown_name_is_told_with_what_there_is_and_how_to_make_one(tmp_path):
    for name in ("nosuch", "../mine", "a/b"):
        with pytest.raises(PromptSetError, match="--prompts FILE"):
            Domains(tmp_path).check(name)
    with pytest.raises(TextSetError, match="--texts"):
        Domains(tmp_path).heldout("nosuch")


def test_a_kept_domain_that_was_damaged_is_told(tmp_path):
    path = Domains(tmp_path).keep(Domain(read_pairs(written(tmp_path, "mine.json", PAIRS))))
    for content, told in (
        ("{", "not JSON"),
        ("[]", "an object"),
        ('{"method": "magic"}', "no method 'magic'"),
    ):
        path.write_text(content)
        with pytest.raises(PromptSetError, match=told):
            Domains(tmp_path).load("mine")
