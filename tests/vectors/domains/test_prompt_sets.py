import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.domains.prompt_sets import PromptSetError, domain_names, load_prompt_set
from vectors.errors import VectorsError

DOMAINS = [
    "bug_analysis",
    "calendar",
    "code_reading",
    "dev_tooling",
    "django_web",
    "math_reasoning",
    "patch_writing",
    "scientific_computing",
    "test_reasoning",
]
GOOD = {
    "domain": "d",
    "description": "what it is",
    "keywords": ["k"],
    "positive": ["a", "b"],
    "negative": ["c", "d"],
}


def write(folder, data):
    path = folder / "set.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_the_projects_domains_are_all_there():
    assert domain_names() == DOMAINS


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_domain_has_at_least_24_prompts_a_side_that_share_none(domain):
    prompt_set = load_prompt_set(domain)
    assert prompt_set.domain == domain
    assert len(prompt_set.positive) == len(prompt_set.negative) >= 24
    assert not set(prompt_set.positive) & set(prompt_set.negative)


def test_domains_have_hashes_of_their_own():
    assert len({load_prompt_set(domain).digest for domain in DOMAINS}) == len(DOMAINS)


def test_the_hash_follows_the_content_and_not_the_layout(tmp_path):
    first = load_prompt_set(write(tmp_path, json.dumps(GOOD, indent=4))).digest
    assert load_prompt_set(write(tmp_path, dict(reversed(GOOD.items())))).digest == first
    assert load_prompt_set(write(tmp_path, GOOD | {"positive": ["a", "x"]})).digest != first


def test_an_unknown_domain_names_those_that_exist():
    with pytest.raises(PromptSetError, match="code_reading") as refused:
        load_prompt_set("code_writing")
    assert isinstance(refused.value, VectorsError | ValueError)


@pytest.mark.parametrize("domain", ["../prompts/code_reading", "/etc/passwd", ""])
def test_a_domain_is_a_name_and_never_a_path(domain):
    with pytest.raises(PromptSetError, match="no domain"):
        load_prompt_set(domain)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"positive": ["a"]}, "as many negative as positive"),
        ({"positive": ["a", "a"]}, "same text twice"),
        ({"positive": []}, "positive must be a list"),
        ({"positive": "ab"}, "positive must be a list"),
        ({"negative": ["c", 4]}, "negative holds '4'"),
        ({"negative": ["c", " d"]}, "without space around it"),
        ({"keywords": ["k", ""]}, "keywords holds ''"),
        ({"description": "x" * 2001}, "1 to 2000 characters"),
        ({"note": "hello"}, "expected an object with exactly"),
    ],
)
def test_a_wrong_set_is_refused_saying_what_is_wrong(tmp_path, change, complaint):
    with pytest.raises(PromptSetError, match=complaint):
        load_prompt_set(write(tmp_path, GOOD | change))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_other_json_is_refused(tmp_path_factory, data):
    with pytest.raises(PromptSetError):
        load_prompt_set(write(tmp_path_factory.mktemp("sets"), data))


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b" " * (2 << 20)])
def test_a_file_that_is_not_such_json_is_refused(tmp_path, content):
    (tmp_path / "set.json").write_bytes(content)
    with pytest.raises(PromptSetError):
        load_prompt_set(tmp_path / "set.json")
    with pytest.raises(PromptSetError, match="cannot be read"):
        load_prompt_set(tmp_path / "missing.json")
