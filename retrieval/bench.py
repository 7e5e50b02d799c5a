"""How fast the index is, beside rank-bm25's BM25Okapi over the very same terms in the same run.

The peer gets its documents ready as such code is usually written: every occurrence split anew, a list of
tokens for each document. Reading the blobs is the same for both. Our side makes the same BM25 over files, and
then the whole index (definitions, names, paths and history included).
"""

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

import numpy as np
from rank_bm25 import BM25Okapi

from retrieval import tokens
from retrieval.bm25 import BM25, Floats, okapi_idf
from retrieval.cache import FeatureCache
from retrieval.corpus import PATH_WEIGHT, Corpus, Numbering
from retrieval.features import text_of
from retrieval.history import ChangeLog
from retrieval.index import Indexer, source_files
from retrieval.progress import Progress, silent
from retrieval.store import Repository

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")
_TOP = 10
_PEER_QUERIES = 5
_OUR_REPEATS = 20


@dataclass(frozen=True)
class Speed:
    """Of one repository: seconds of each side; a ratio above 1 means that ours is faster.

    `same_top` of `queries` have the same ten best documents, with equal scores, by the peer's own formula.
    """

    repository: str
    n_files: int
    index_s: float
    bm25_index_s: float
    peer_index_s: float
    commits: int
    next_commit_s: float
    query_s: float
    peer_query_s: float
    queries: int
    same_top: int

    @property
    def ratios(self) -> dict[str, float]:
        """The peer's time over ours: for the same BM25, the whole index, one commit more, one query."""
        return {
            "bm25_index": self.peer_index_s / self.bm25_index_s,
            "index": self.peer_index_s / self.index_s,
            "next_commit": self.peer_index_s / self.next_commit_s,
            "query": self.peer_query_s / self.query_s,
        }


def measure(
    repository: Repository, commits: Sequence[str], issues: Sequence[str], progress: Progress = silent
) -> Speed:
    """Index the first commit from nothing on both sides, then the further ones on ours, and ask the issues.

    Args:
        commits: Base commits; the first is measured against the peer, each further one after the one before.
        issues: Texts of issues to query with; the peer answers the first few of them.
    """
    shas = [repository.resolve(commit) for commit in commits]
    label = f"speed of {repository.name}"
    progress(label, 0, len(shas) + 1)
    peer, peer_index_s = _timed(_peer, repository, shas[0])
    progress(label, 1, len(shas) + 1)
    (alone, vocabulary), bm25_index_s = _timed(_bm25_alone, repository, shas[0])
    with tempfile.TemporaryDirectory() as folder:
        indexer = Indexer(repository, Corpus(repository, FeatureCache(Path(folder))), ChangeLog(repository))
        index, index_s = _timed(indexer.index, shas[0])
        queries = [tokens.count_terms(issue) for issue in issues[:_PEER_QUERIES]]
        ours, theirs, same = [], [], 0
        for query in queries:
            numbered = index.numbered(query)
            expected, seconds = _timed(peer.get_scores, list(query.elements()))
            theirs.append(seconds)
            ours += [_timed(index.files.scores, numbered)[1] for _ in range(_OUR_REPEATS)]
            by_its_formula = alone.scores({vocabulary[t]: n for t, n in query.items() if t in vocabulary})
            same += _same_top(by_its_formula, np.asarray(expected))
        later = []
        for done, sha in enumerate(shas[1:], start=2):
            later.append(_timed(indexer.index, sha)[1])
            progress(label, done, len(shas) + 1)
        n_files = len(index.paths)
    progress(label, len(shas) + 1, len(shas) + 1)
    return Speed(
        repository.name, n_files, index_s, bm25_index_s, peer_index_s, len(later), median(later or [index_s]),
        median(ours), median(theirs), len(queries), same,
    )  # fmt: skip


def _peer(repository: Repository, sha: str) -> BM25Okapi:
    files = source_files(repository, sha)
    blobs = repository.read_blobs(files)
    split = tokens.terms_of_word.__wrapped__
    documents = []
    for file in files:
        path = file.path.removesuffix(".py")
        text = text_of(blobs.get(file.blob, b""))
        own = [term for word in tokens.words(text) for term in split(word)]
        documents.append(own + [term for word in tokens.words(path) for term in split(word)] * PATH_WEIGHT)
    return BM25Okapi(documents)


def _bm25_alone(repository: Repository, sha: str) -> tuple[BM25, dict[str, int]]:
    """What the peer makes, our way and with its idf, and the numbers of its terms."""
    files = source_files(repository, sha)
    blobs = repository.read_blobs(files)
    numbering = Numbering()
    tokens.terms_of_word.cache_clear()
    parts = []
    for position, file in enumerate(files):
        counts = tokens.count_terms(text_of(blobs.get(file.blob, b"")))
        for term, n in tokens.count_terms(file.path.removesuffix(".py")).items():
            counts[term] += PATH_WEIGHT * n
        numbered = numbering.numbered(counts)
        parts.append(np.vstack([np.full((1, len(counts)), position, dtype=np.int32), numbered]))
    vocabulary = numbering.vocabulary
    return BM25(np.concatenate(parts, axis=1), len(files), len(vocabulary), okapi_idf), vocabulary


def _timed(
    work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> tuple[_Result, float]:
    gc.collect()
    started = time.perf_counter()
    result = work(*arguments, **named)
    return result, time.perf_counter() - started


def _same_top(scores: Floats, expected: Floats) -> bool:
    best = np.argsort(-expected, kind="stable")[:_TOP]
    return bool(np.allclose(np.sort(scores)[::-1][:_TOP], expected[best], rtol=1e-9, atol=1e-9))
