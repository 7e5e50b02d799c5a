"""BM25 over postings in numpy: scores as rank-bm25 does, without walking every document per term.

The formula and the defaults (k1 1.5, b 0.75) are those of rank-bm25's BM25Okapi. Its own idf is 0 for a term
in half of the documents, and so finds nothing in a repository of two files; with Lucene's, which is used
here, every term counts. A test holds the peer's to the peer.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


def okapi_idf(document_frequencies: Ints, n_documents: int) -> Floats:
    """BM25Okapi's: log((N − df + 0.5) / (df + 0.5)), and a quarter of the mean where that is below 0."""
    idf: Floats = np.log(n_documents - document_frequencies + 0.5) - np.log(document_frequencies + 0.5)
    occurring = document_frequencies > 0
    if occurring.any():
        # Sorted, so that the sum rounds the same however the terms are numbered.
        idf[idf < 0] = 0.25 * np.sort(idf[occurring]).mean()
    return idf


def positive_idf(document_frequencies: Ints, n_documents: int) -> Floats:
    """Lucene's, log(1 + (N − df + 0.5) / (df + 0.5)), above 0 for every term; not below Okapi's.

    Okapi's floor for common terms is kept, because the weights of all signals were fitted with it.
    """
    lucene = np.log1p((n_documents - document_frequencies + 0.5) / (document_frequencies + 0.5))
    idf: Floats = np.maximum(lucene, okapi_idf(document_frequencies, n_documents))
    return idf


class BM25:
    """Scores documents for a query; all arithmetic that does not depend on the query is done once.

    Args:
        postings: [3, n]: document, term and occurrences; a pair of document and term may come several times.
        n_documents, n_terms: Bounds of the two numberings.
        idf: What a term in so many documents [n_terms] of so many weighs.
    """

    def __init__(
        self,
        postings: Ints,
        n_documents: int,
        n_terms: int,
        idf: Callable[[Ints, int], Floats] = positive_idf,
        k1: float = 1.5,
        b: float = 0.75,
    ) -> None:
        from scipy.sparse import coo_array  # late: it takes longer to import than a wrong input to tell

        self.n_documents = n_documents
        documents, terms, counts = postings
        # Sorted by term in linear time, with equal pairs added up; no sort of numpy's is as quick.
        by_term = coo_array((counts, (documents, terms)), shape=(n_documents, n_terms)).tocsc()
        self._documents, self._starts, frequencies = by_term.indices, by_term.indptr, by_term.data
        document_frequencies = np.diff(self._starts)
        lengths = np.bincount(self._documents, weights=frequencies, minlength=n_documents)
        mean_length = lengths.mean() if lengths.any() else 1.0
        penalty = k1 * (1 - b + b * lengths / mean_length)
        saturated = frequencies * (k1 + 1) / (frequencies + penalty[self._documents])
        weights = idf(document_frequencies, n_documents)
        self._weights: Floats = np.repeat(weights, document_frequencies) * saturated

    def scores(self, query: Mapping[int, float]) -> Floats:
        """Score of every document [n_documents]; `query` maps term to how often (or how much) it is asked.

        Terms beyond the numbering's bound occur nowhere.
        """
        scores = np.zeros(self.n_documents)
        for term, weight in query.items():
            if term >= len(self._starts) - 1:
                continue
            here = slice(self._starts[term], self._starts[term + 1])
            scores[self._documents[here]] += weight * self._weights[here]
        return scores
