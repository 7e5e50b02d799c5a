import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from retrieval.bm25 import BM25, okapi_idf, positive_idf

WORDS = list("abcdefgh")
documents = st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=12).filter(any)
queries = st.lists(st.sampled_from(WORDS), max_size=12)


def engine(corpus: list[list[str]], idf=okapi_idf) -> BM25:
    postings = [(i, WORDS.index(word), 1) for i, document in enumerate(corpus) for word in document]
    return BM25(np.array(postings, dtype=np.int32).reshape(-1, 3).T, len(corpus), len(WORDS), idf)


def counted(query: list[str]) -> dict[int, float]:
    return {WORDS.index(word): float(query.count(word)) for word in query}


@given(documents, queries)
def test_scores_are_those_of_rank_bm25(corpus, query):
    expected = BM25Okapi(corpus).get_scores(query)
    assert engine(corpus).scores(counted(query)) == pytest.approx(expected, abs=1e-6)


@given(documents, queries)
def test_the_ranking_is_that_of_rank_bm25_but_for_ties(corpus, query):
    expected = BM25Okapi(corpus).get_scores(query)
    ranking = np.argsort(-engine(corpus).scores(counted(query)))
    assert np.all(np.diff(expected[ranking]) <= 1e-6)


@given(documents, queries)
def test_every_document_that_holds_an_asked_term_scores_above_nothing(corpus, query):
    scores = engine(corpus, positive_idf).scores(counted(query))
    assert [score > 0 for score in scores] == [bool({*query} & {*document}) for document in corpus]


def test_idf_is_that_of_lucene_and_never_below_that_of_okapi():
    assert np.exp(positive_idf(np.array([1, 2, 4]), 4)) - 1 == pytest.approx(
        [3.5 / 1.5, 2.5 / 2.5, 0.5 / 4.5]
    )
    frequencies = np.array([1] * 50 + [80, 100])
    assert np.all(positive_idf(frequencies, 100) >= okapi_idf(frequencies, 100))


def test_a_term_asked_twice_counts_twice():
    corpus = [["a", "b"], ["a", "c"], ["d"], ["e"]]
    once, twice = engine(corpus).scores({1: 1.0}), engine(corpus).scores({1: 2.0})
    assert once[0] > 0
    assert twice == pytest.approx(2 * once)


def test_postings_of_the_same_pair_are_added_before_they_saturate():
    whole = BM25(np.array([[0, 1, 2], [0, 1, 2], [5, 1, 1]]), 3, 3)
    parts = BM25(np.array([[0, 1, 0, 2], [0, 1, 0, 2], [2, 1, 3, 1]]), 3, 3)
    assert parts.scores({0: 1.0}) == pytest.approx(whole.scores({0: 1.0}))


def test_documents_without_any_term_score_nothing():
    empty = BM25(np.zeros((3, 0), dtype=np.int32), 2, 1)
    assert empty.scores({0: 1.0}).tolist() == [0.0, 0.0]
