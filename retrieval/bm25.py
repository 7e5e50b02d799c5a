"""BM25 over postings in numpy: ranks as rank-bm25's BM25Okapi does, without walking every document per term.

The formula, the defaults (k1 1.5, b 0.75) and the floor for terms in more than half of the documents (ε 0.25
times the mean idf) are BM25Okapi's; a test holds the two together.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class BM25:
    """Scores documents for a query; all arithmetic that does not depend on the query is done once.

    Args:
        postings: [3, n]: document, term and occurrences; a pair of document and term may come several times.
        n_documents, n_terms: Bounds of the two numberings.
    """

    def __init__(
        self,
        postings: Ints,
        n_documents: int,
        n_terms: int,
        k1: float = 1.5,
        b: float = 0.75,
        epsilon: float = 0.25,
    ) -> None:
        self.n_documents = n_documents
        documents, terms, counts = postings
        keys = terms * max(n_documents, 1) + documents
        order = np.argsort(keys)
        keys, counts = keys[order], counts[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        frequencies = np.add.reduceat(counts, first) if len(first) else counts
        terms, self._documents = np.divmod(keys[first], max(n_documents, 1))
        document_frequencies = np.bincount(terms, minlength=n_terms)
        self._starts = np.concatenate(([0], np.cumsum(document_frequencies)))
        lengths = np.bincount(self._documents, weights=frequencies, minlength=n_documents)
        mean_length = lengths.mean() if lengths.any() else 1.0
        penalty = k1 * (1 - b + b * lengths / mean_length)
        saturated = frequencies * (k1 + 1) / (frequencies + penalty[self._documents])
        self._weights: Floats = _idf(document_frequencies, n_documents, epsilon)[terms] * saturated

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


def _idf(document_frequencies: Ints, n_documents: int, epsilon: float) -> Floats:
    idf: Floats = np.log(n_documents - document_frequencies + 0.5) - np.log(document_frequencies + 0.5)
    occurring = document_frequencies > 0
    if occurring.any():
        idf[idf < 0] = epsilon * idf[occurring].mean()
    return idf
