"""Ranks the files and definitions of a commit for a report, without a model.

The score of a file is a sum of signals, each scaled so that its best file has 1 (a max-normalised sum, or
CombSUM: Fox & Shaw, 1994); documentation, examples and scripts come last.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.bm25 import Floats
from retrieval.cache import FeatureCache
from retrieval.index import Index, build_index
from retrieval.mentions import defining_files, mentioned_files, mentioned_symbols
from retrieval.paths import is_support
from retrieval.progress import Progress, silent
from retrieval.store import Repository
from retrieval.tokens import count_terms

WEIGHTS = {"text": 1.0, "definitions": 1.0, "path": 0.4, "mentioned": 0.6, "symbols": 0.6, "recency": 0.25}
MAX_QUERY_CHARACTERS = 50_000
EXTRA_WEIGHT = 0.3
"""What a word of `extra` counts beside a word of the report."""
_SUPPORT_FACTOR = 0.01
_DEFINITIONS_PER_FILE = 3


@dataclass(frozen=True)
class FileHit:
    """`signals`: what each signal of WEIGHTS adds to the score, before documentation is put last."""

    path: str
    score: float
    signals: dict[str, float]


@dataclass(frozen=True)
class DefinitionHit:
    """A function, method or class; `name` is qualified, lines are 1-based, inclusive, decorators included."""

    path: str
    name: str
    kind: str
    start_line: int
    end_line: int
    score: float


@dataclass(frozen=True)
class SearchResult:
    """Best first; the definitions are those of the files in `hits`, at most three for each hit on average."""

    hits: tuple[FileHit, ...]
    definitions: tuple[DefinitionHit, ...]
    seconds_index: float
    seconds_query: float


class Retriever:
    """Searches one repository; holds the last commit's index. May be shared by threads.

    Args:
        cache: Folder for what is known of blobs.
    """

    def __init__(self, repository: Repository, cache: Path) -> None:
        self.repository = repository
        self._cache = FeatureCache(cache)
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
        index = self._index(commit, progress)
        indexed = time.perf_counter()
        question = _Question.of(query, extra, index)
        chunks = index.chunks.scores(question.terms)
        signals = _signals(index, question, chunks)
        scores = np.sum(list(signals.values()), axis=0)
        scores *= np.where([is_support(path) for path in index.paths], _SUPPORT_FACTOR, 1.0)
        best = np.argsort(-scores, kind="stable")[:top_k]
        hits = tuple(
            FileHit(index.paths[i], float(scores[i]), {name: float(s[i]) for name, s in signals.items()})
            for i in best
        )
        definitions = _definitions(index, question, chunks, scores, best.tolist())
        return SearchResult(hits, definitions, indexed - started, time.perf_counter() - indexed)

    def _index(self, commit: str, progress: Progress) -> Index:
        with self._lock:
            sha = self.repository.resolve(commit)
            if self._last is None or self._last[0] != sha:
                self._last = (sha, build_index(self.repository, sha, self._cache, progress))
            return self._last[1]


@dataclass(frozen=True)
class _Question:
    terms: Mapping[int, float]
    files: Mapping[int, float]
    symbols: Mapping[str, float]

    @classmethod
    def of(cls, query: str, extra: Sequence[str], index: Index) -> "_Question":
        terms: dict[int, float] = defaultdict(float)
        files: dict[int, float] = defaultdict(float)
        symbols: dict[str, float] = defaultdict(float)
        for text, weight in ((query, 1.0), ("\n".join(extra), EXTRA_WEIGHT)):
            read = text[:MAX_QUERY_CHARACTERS]
            for term, n in count_terms(read).items():
                if term in index.vocabulary:
                    terms[index.vocabulary[term]] += weight * n
            for position, clarity in mentioned_files(read, index.paths, index.modules).items():
                files[position] += weight * clarity
            for symbol in mentioned_symbols(read):
                symbols[symbol] += weight
        return cls(terms, files, symbols)


def _signals(index: Index, question: _Question, chunks: Floats) -> dict[str, Floats]:
    n = len(index.paths)
    raw = {
        "text": index.files.scores(question.terms),
        "definitions": _best_three(chunks, index),
        "path": index.path_terms.scores(question.terms),
        "mentioned": _spread(question.files, n),
        "symbols": _spread(defining_files(question.symbols, index.defined_in), n),
        "recency": index.recency,
    }
    return {name: WEIGHTS[name] * _scaled(values) for name, values in raw.items()}


def _best_three(chunks: Floats, index: Index) -> Floats:
    """Sum of each file's three best chunk scores [n_files]."""
    order = np.lexsort((-chunks, index.chunk_file))
    files = index.chunk_file[order]
    rank = np.arange(len(order)) - np.searchsorted(files, files)
    first_of_file = np.searchsorted(files, np.arange(len(index.paths)))
    best: Floats = np.add.reduceat(np.where(rank < 3, chunks[order], 0.0), first_of_file)
    return best


def _spread(values: Mapping[int, float], n: int) -> Floats:
    array = np.zeros(n)
    for position, value in values.items():
        array[position] = value
    return array


def _scaled(values: Floats) -> Floats:
    top = values.max(initial=0.0)
    return values / top if top > 0 else np.zeros_like(values)


def _definitions(
    index: Index, question: _Question, chunks: Floats, scores: Floats, best: list[int]
) -> tuple[DefinitionHit, ...]:
    scaled, top = _scaled(chunks), scores.max(initial=0.0) or 1.0
    hits = []
    for chunk in np.flatnonzero(np.isin(index.chunk_file, best)):
        definition = index.chunk_definition[chunk]
        if definition is not None:
            file = index.chunk_file[chunk]
            named = 0.5 * min(question.symbols.get(definition.name.rsplit(".", 1)[-1], 0.0), 1.0)
            score = float(scaled[chunk] + named + scores[file] / top)
            hits.append(
                DefinitionHit(
                    index.paths[file], definition.name, definition.kind,
                    definition.start_line, definition.end_line, score,
                )
            )  # fmt: skip
    hits.sort(key=lambda hit: -hit.score)
    return tuple(hits[: _DEFINITIONS_PER_FILE * len(best)])
