"""Ranks the files and definitions of a commit for an issue, without a model.

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
from retrieval.definition_hits import DefinitionHit, definition_hits
from retrieval.history import ChangeLog
from retrieval.index import Index, Indexer
from retrieval.nearest import NearestTests
from retrieval.progress import Progress, silent
from retrieval.question import Question
from retrieval.signals import SIGNALS, Signal, ask
from retrieval.store import Repository

_SUPPORT_FACTOR = 0.01
NOTHING_SHARED = (
    "no file of the repository shares a word with the problem statement, so there is nothing to go by: "
    "say more, such as the name of a function or a file, an error message, or code that shows it"
)


@dataclass(frozen=True)
class FileHit:
    """`signals`: what each signal adds to the score, before documentation is put last."""

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

    @property
    def nothing_shared(self) -> bool:
        """Whether nothing speaks for any file, so that their order means nothing."""
        return not any(hit.score > 0 for hit in self.hits)


class Retriever:
    """Searches one repository; holds the last commit's index. May be shared by threads.

    Args:
        cache: Folder for what is known of blobs.
        signals: What files are ranked by.
    """

    def __init__(self, repository: Repository, cache: Path, signals: Mapping[str, Signal] = SIGNALS) -> None:
        self.repository = repository
        self.signals = signals
        self._lock = threading.Lock()
        features, changes = FeatureCache(cache), ChangeLog(repository)
        self._indexer = Indexer(repository, Corpus(repository, features), changes)
        self.nearest_tests = NearestTests(repository, features, changes, self._lock)
        self._last: tuple[str, Index] | None = None

    @property
    def weights(self) -> dict[str, float]:
        """What the best file of each signal gets."""
        return {name: signal.weight for name, signal in self.signals.items()}

    def search(
        self,
        commit: str,
        query: str,
        extra: Sequence[str] = (),
        top_k: int = 10,
        progress: Progress = silent,
    ) -> SearchResult:
        """The top_k files of the commit for an issue, and the best definitions in them.

        `extra` is further text (a model's findings) that counts EXTRA_WEIGHT as much. Of the issue, and of
        all of `extra` together, the first MAX_QUERY_CHARACTERS characters are read.

        Raises:
            CommitMissing: the repository does not hold the commit.
            NoPythonFiles: nothing to rank.
        """
        started = time.perf_counter()
        index = self.index(commit, progress)
        indexed = time.perf_counter()
        question = Question.of(query, extra, index.paths, index.modules)
        found, weights = ask(self.signals, index, question), self.weights
        scores = _total(index, found, weights)
        best = _descending(scores)[:top_k]
        hits = tuple(
            FileHit(
                index.paths[i],
                float(scores[i]),
                {name: weights[name] * float(values[i]) for name, values in found.items()},
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


def ranking(index: Index, scaled: Mapping[str, Floats], weights: Mapping[str, float]) -> list[int]:
    """Positions of the files, best first, under other weights: what each signal is worth."""
    return _descending(_total(index, scaled, weights))


def _total(index: Index, scaled: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    total: Floats = np.sum([weights[name] * values for name, values in scaled.items()], axis=0)
    return total * np.where(index.support, _SUPPORT_FACTOR, 1.0)


def _descending(scores: Floats) -> list[int]:
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order
