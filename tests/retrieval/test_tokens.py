from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.tokens import count_terms

GROESSE = {"grösse", "grosse", "groesse"}


@pytest.mark.parametrize(
    ("word", "terms"),
    [
        ("QuerySet", {"queryset", "query", "set"}),
        ("get_or_create", {"get_or_create", "get", "or", "create"}),
        ("HTTPResponse", {"httpresponse", "http", "response"}),
        ("__init__", {"__init__"}),
        ("utf8", {"utf8", "utf", "8"}),
        ("plain", {"plain"}),
        ("queries", {"query"}),
        ("LookupClasses", {"lookupclasse", "lookup", "classe"}),
        ("status", {"status"}),
        ("Größe", GROESSE),
        (
            "größeÄndern",
            {*["grösseändern", "grosseandern", "groesseaendern", "ändern", "andern", "aendern"], *GROESSE},
        ),
        ("café_münze", {"café_münze", "cafe_munze", "café", "cafe", "münze", "munze", "muenze"}),
        ("風速計", {"風速", "速計"}),
        ("節", {"節"}),
        ("風速計KNOT単位", {"風速", "速計", "knot", "単位"}),
        ("바람을", {"바람", "람을"}),
        ("हिन्दी", {"हिन्दी"}),
        ("ＫＮＯＴ", {"knot"}),
    ],
)
def test_a_word_is_kept_whole_and_a_compound_is_also_split(word, terms):
    assert set(count_terms(word)) == terms


@given(st.text(), st.text())
def test_the_terms_of_two_texts_are_the_sum_of_their_terms(one, other):
    assert count_terms(f"{one}\n{other}") == Counter(count_terms(one)) + Counter(count_terms(other))


@given(st.from_regex(r"[a-zA-Z_]\w{0,30}", fullmatch=True))
def test_every_identifier_is_found_by_its_own_name(identifier):
    own = count_terms(identifier)
    assert own, "an identifier is a term"
    assert own.keys() <= count_terms(f"x.{identifier}(y)").keys()


def test_encoded_data_gives_no_terms():
    assert count_terms("A" * 5000) == Counter()
