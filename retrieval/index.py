"""The index of one commit: BM25 over its files, definitions, names and paths, and what changed before."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.bm25 import BM25, Ints
from retrieval.corpus import Corpus
from retrieval.definitions import Definition
from retrieval.errors import NoPythonFiles, NotHere
from retrieval.history import ChangeLog, History
from retrieval.paths import is_support, is_test, module_of
from retrieval.progress import Progress, silent
from retrieval.store import Repository, TreeFile


@dataclass(frozen=True)
class Index:
    """Of n_files files and n_chunks chunks: a definition's own lines, or the rest of its module."""

    paths: tuple[str, ...]
    vocabulary: Mapping[str, int]
    files: BM25
    chunks: BM25
    names: BM25
    """Over the names that each file defines."""
    path_terms: BM25
    first_chunk: NDArray[np.int64]
    """[n_files + 1]: where each file's chunks begin; the last entry is n_chunks."""
    definitions: tuple[Sequence[Definition], ...]
    """Of each file: definition i is its chunk i + 1."""
    modules: Mapping[str, int]
    """Dotted name to the position of its file."""
    defined_in: Mapping[str, Sequence[int]]
    """Unqualified name of a definition to the positions of the files that have one."""
    history: History
    support: NDArray[np.bool_]
    """[n_files]: whether a file is documentation, an example or a script."""

    def numbered(self, terms: Mapping[str, float]) -> dict[int, float]:
        """The terms that occur, by their numbers."""
        return {self.vocabulary[term]: weight for term, weight in terms.items() if term in self.vocabulary}


def source_files(repository: Repository, commit: str) -> list[TreeFile]:
    """The files that are ranked: Python, tests left out.

    Raises:
        CommitMissing: the repository does not hold the commit.
        NoPythonFiles: there are none.
        NotHere: the clone holds the content of none of them.
    """
    files = [f for f in repository.files(commit) if f.path.endswith(".py") and not is_test(f.path)]
    if not files:
        raise NoPythonFiles(f"{repository.name} has no Python file outside its tests at {commit[:12]}")
    if all(file.size is None for file in files):
        raise NotHere(
            f"the Python files of {commit[:12]} are not in this clone of {repository.name}; "
            f"{repository.mending}"
        )
    return files


class Indexer:
    """Indexes commits of one repository, each from what is new in it.

    Args:
        select: Which files of a commit.
    """

    def __init__(
        self,
        repository: Repository,
        corpus: Corpus,
        changes: ChangeLog,
        select: Callable[[Repository, str], list[TreeFile]] = source_files,
    ) -> None:
        self._repository = repository
        self._corpus = corpus
        self._changes = changes
        self._select = select

    def index(self, sha: str, progress: Progress = silent) -> Index:
        """Index the selected files of a commit, given by its full hash; raises what `select` raises."""
        with ThreadPoolExecutor(1) as beside:  # git reads the history meanwhile
            changes = beside.submit(self._changes.before, sha)
            files = self._select(self._repository, sha)
            documents = self._corpus.documents(files, progress)
        positions = {file.path: position for position, file in enumerate(files)}
        defined_in: dict[str, list[int]] = defaultdict(list)
        for position, document in enumerate(documents):
            for name in document.defined:
                defined_in[name].append(position)
        n_files, n_terms = len(files), len(self._corpus.numbering.vocabulary)
        first_chunk = np.cumsum([0, *(len(document.definitions) + 1 for document in documents)])
        return Index(
            paths=tuple(positions),
            vocabulary=self._corpus.numbering.vocabulary,
            files=BM25(_joined([document.text for document in documents]), n_files, n_terms),
            chunks=BM25(
                _stacked([document.chunks for document in documents], first_chunk),
                int(first_chunk[-1]),
                n_terms,
            ),
            names=BM25(_joined([document.names for document in documents]), n_files, n_terms),
            path_terms=BM25(_joined([document.path for document in documents]), n_files, n_terms),
            first_chunk=first_chunk,
            definitions=tuple(document.definitions for document in documents),
            modules={module_of(path): position for path, position in positions.items()},
            defined_in=defined_in,
            history=History(changes.result(), self._changes.numbering.vocabulary, positions),
            support=np.array([is_support(path) for path in positions]),
        )


def _joined(counted: Sequence[Ints]) -> Ints:
    """[3, n]: the [2, n] of each document as postings of its position."""
    sizes = [part.shape[1] for part in counted]
    positions = np.repeat(np.arange(len(counted), dtype=np.int32), sizes)
    return np.vstack([positions, np.concatenate(counted, axis=1)])


def _stacked(chunks: Sequence[Ints], first_chunk: NDArray[np.int64]) -> Ints:
    """[3, n]: the postings of all files' chunks, numbered on from file to file."""
    sizes = [part.shape[1] for part in chunks]
    joined = np.concatenate(chunks, axis=1)
    joined[0] += np.repeat(first_chunk[:-1], sizes).astype(np.int32)
    return joined
