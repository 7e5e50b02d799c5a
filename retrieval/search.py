"""Ranks the files and definitions of a commit for a report, without a model.

The score of a file is a sum of signals, each scaled so that its best file has 1 (a max-normalised sum, or
CombSUM: Fox & Shaw, 1994); documentation, examples and scripts come last.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.bm25 import Floats
from retrieval.cache import FeatureCache
from retrieval.corpus import Corpus
from retrieval.definition_hits import DefinitionHit, definition_hits, scaled
from retrieval.index import Index, Indexer
from retrieval.mentions import defining_files
from retrieval.progress import Progress, silent
from retrieval.question import Question
from retrieval.store import Repository

WEIGHTS = {
    "text": 0.5, "title": 1.0, "definition": 0.5, "path": 0.5,
    "names": 0.25, "symbols": 0.3, "mentioned": 0.1, "history": 0.25,
}  # fmt: skip
_SUPPORT_FACTOR = 0.01


@dataclass(frozen=True)
class FileHit:
    """`signals`: what each signal of WEIGHTS adds to the score, before documentation is put last."""

    path: str
    score: float
    signals: dict[str, float]


@dataclass(frozen=True)
class SearchResult:
    """Best first; the definitions are those of the files in `hits`, at most three for each hit on average,
    and `modules` what these files hold outside of any definition."""

    hits: tuple[FileHit, ...]
    definitions: tuple[DefinitionHit, ...]
    modules: tuple[DefinitionHit, ...]
    seconds_index: float
    seconds_query: float


class Retriever:
    """Searches one repository; holds the last commit's index. May be shared by threads.

    Args:
        cache: Folder for what is known of blobs.
    """

    def __init__(self, repository: Repository, cache: Path) -> None:
        self.repository = repository
        self._indexer = Indexer(repository, Corpus(repository, FeatureCache(cache)))
        self._lock = threading.Lock()
        self._last: tuple[str, Index] | None = None

    def search(
        self,
        commit: str,
        query: str,
        extra: Sequence[str] = (),
        top_k: int = 10,
        progress: Progress = silent,
    ) -> SearchResult:
        """The top_k files of the commit for a report, and the best definitions in them.

        `extra` is further text (a model's findings) that counts EXTRA_WEIGHT as much. Of the report, and of
        all of `extra` together, the first MAX_QUERY_CHARACTERS characters are read.

        Raises:
            CommitMissing: the repository does not hold the commit.
            NoPythonFiles: nothing to rank.
        """
        started = time.perf_counter()
        index = self.index(commit, progress)
        indexed = time.perf_counter()
        question = Question.of(query, extra, index.paths, index.modules)
        found = signals(index, question)
        scores = _total(index, found, WEIGHTS)
        best = _descending(scores)[:top_k]
        hits = tuple(
            FileHit(
                index.paths[i],
                float(scores[i]),
                {name: WEIGHTS[name] * float(values[i]) for name, values in found.items()},
            )
            for i in best
        )
        definitions, modules = definition_hits(index, question, scores, best)
        return SearchResult(hits, definitions, modules, indexed - started, time.perf_counter() - indexed)

    def index(self, commit: str, progress: Progress = silent) -> Index:
        """The index of a commit; the last one is kept.

        Raises:
            CommitMissing: the repository does not hold the commit.
            NoPythonFiles: nothing to rank.
        """
        with self._lock:
            sha = self.repository.resolve(commit)
            if self._last is None or self._last[0] != sha:
                self._last = (sha, self._indexer.index(sha, progress))
            return self._last[1]


def signals(index: Index, question: Question) -> dict[str, Floats]:
    """What each signal says of every file [n_files], scaled so that its best file has 1."""
    terms, title = index.numbered(question.terms), index.numbered(question.title)
    n = len(index.paths)
    raw = {
        "text": index.files.scores(terms),
        "title": index.files.scores(title),
        "definition": np.maximum.reduceat(index.chunks.scores(terms), index.first_chunk[:-1]),
        "path": index.path_terms.scores(terms),
        "names": index.names.scores(terms),
        "symbols": _spread(defining_files(question.symbols, index.defined_in), n),
        "mentioned": _spread(question.files, n),
        "history": index.history.scores(question.title),
    }
    return {name: scaled(values) for name, values in raw.items()}


def ranking(index: Index, scaled: Mapping[str, Floats], weights: Mapping[str, float]) -> list[int]:
    """Positions of the files, best first, under other weights than WEIGHTS: what each signal is worth."""
    return _descending(_total(index, scaled, weights))


def _total(index: Index, scaled: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    total: Floats = np.sum([weights[name] * values for name, values in scaled.items()], axis=0)
    return total * np.where(index.support, _SUPPORT_FACTOR, 1.0)


def _descending(scores: Floats) -> list[int]:
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order


def _spread(values: Mapping[int, float], n: int) -> Floats:
    array = np.zeros(n)
    for position, value in values.items():
        array[position] = value
    return array
