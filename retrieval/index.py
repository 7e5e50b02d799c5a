"""The index of one commit: BM25 over its files, definitions, names and paths, and what changed before."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.bm25 import BM25, Ints
from retrieval.corpus import Corpus
from retrieval.definitions import Definition
from retrieval.errors import NoPythonFiles
from retrieval.history import ChangeLog, History
from retrieval.paths import is_support, is_test, module_of
from retrieval.progress import Progress, silent
from retrieval.store import Repository, TreeFile

PATH_WEIGHT = 10
"""How often a path's terms count in its file's text."""


@dataclass(frozen=True)
class Index:
    """Of n_files files and n_chunks chunks: a definition's own lines, or the rest of its module.

    Where a chunk stands (its path and qualified name) counts as part of its text.
    """

    paths: tuple[str, ...]
    vocabulary: Mapping[str, int]
    files: BM25
    chunks: BM25
    names: BM25
    """Over the names that each file defines."""
    path_terms: BM25
    chunk_file: Ints
    """[n_chunks]: position of the chunk's file; ascending."""
    chunk_definition: tuple[Definition | None, ...]
    """[n_chunks]: None for a module's own lines."""
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
    """
    files = [f for f in repository.files(commit) if f.path.endswith(".py") and not is_test(f.path)]
    if not files:
        raise NoPythonFiles(f"{repository.name} has no Python file outside its tests at {commit[:12]}")
    return files


class Indexer:
    """Indexes commits of one repository, each from what is new in it."""

    def __init__(self, repository: Repository, corpus: Corpus) -> None:
        self._repository = repository
        self._corpus = corpus
        self._changes = ChangeLog(repository)

    def index(self, sha: str, progress: Progress = silent) -> Index:
        """Index the Python files of a commit, given by its full hash, tests left out.

        Raises:
            NoPythonFiles: nothing to rank.
        """
        files = source_files(self._repository, sha)
        blobs = self._corpus.blobs(files, progress)
        numbering = self._corpus.numbering
        in_chunks, in_names, in_paths, chunk_paths = [], [], [], []
        n_chunks: list[int] = []
        definitions: list[Definition | None] = []
        defined_in: dict[str, list[int]] = defaultdict(list)
        first = 0
        for position, file in enumerate(files):
            blob = blobs[file.blob]
            n_chunks.append(len(blob.definitions) + 1)
            in_chunks.append(_moved(blob.postings, first))
            in_names.append(_moved(blob.names, first))
            of_path = numbering.counted(file.path.removesuffix(".py"))
            in_paths.append(_of_document(position, of_path))
            chunk_paths.append(_of_each(range(first, first + n_chunks[-1]), of_path))
            definitions += [None, *blob.definitions]
            first += n_chunks[-1]
            for name in {definition.name.rsplit(".", 1)[-1] for definition in blob.definitions}:
                defined_in[name].append(position)
        chunk_file = np.repeat(np.arange(len(files)), n_chunks)
        chunks, names, paths = (np.concatenate(part, axis=1) for part in (in_chunks, in_names, in_paths))
        n_files, n_terms = len(files), len(numbering.vocabulary)
        positions = {file.path: position for position, file in enumerate(files)}
        return Index(
            paths=tuple(positions),
            vocabulary=numbering.vocabulary,
            files=BM25(
                np.concatenate([_by_file(chunks, chunk_file), paths * [[1], [1], [PATH_WEIGHT]]], axis=1),
                n_files,
                n_terms,
            ),
            chunks=BM25(np.concatenate([chunks, names, *chunk_paths], axis=1), len(chunk_file), n_terms),
            names=BM25(_by_file(names, chunk_file), n_files, n_terms),
            path_terms=BM25(paths, n_files, n_terms),
            chunk_file=chunk_file,
            chunk_definition=tuple(definitions),
            modules={module_of(path): position for path, position in positions.items()},
            defined_in=defined_in,
            history=History(self._changes.before(sha), positions),
            support=np.array([is_support(path) for path in positions]),
        )


def _moved(postings: Ints, first: int) -> Ints:
    moved: Ints = postings + np.array([[first], [0], [0]])
    return moved


def _by_file(postings: Ints, chunk_file: Ints) -> Ints:
    return np.stack([chunk_file[postings[0]], postings[1], postings[2]])


def _of_document(document: int, counted: Ints) -> Ints:
    """[3, n]: `counted` [2, n] as postings of one document."""
    return np.vstack([np.full((1, counted.shape[1]), document, dtype=np.int64), counted])


def _of_each(documents: range, counted: Ints) -> Ints:
    """`counted` [2, n] as postings of every document of the range."""
    each = np.repeat(np.array(documents, dtype=np.int64), counted.shape[1])
    return np.vstack([each, np.tile(counted, len(documents))])
