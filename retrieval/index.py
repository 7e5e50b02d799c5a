"""The index of one commit: BM25 over its files, their definitions and their paths, and the tables of names.

Built from the cached features of its blobs; only blobs never seen before are read and parsed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.bm25 import BM25, Floats, Ints
from retrieval.cache import FeatureCache
from retrieval.definitions import Definition
from retrieval.errors import NoPythonFiles
from retrieval.features import EMPTY, Features, extract
from retrieval.paths import is_test, module_of
from retrieval.progress import Progress, silent
from retrieval.recency import recency
from retrieval.store import Repository, TreeFile
from retrieval.tokens import count_terms

PATH_WEIGHT = 10
"""How often a path's terms count in its file's text."""
_BATCH = 256


@dataclass(frozen=True)
class Index:
    """Of n_files files and n_chunks chunks: a definition's own lines, or the rest of its module.

    Where a chunk stands (its path and qualified name) counts as part of its text.
    """

    paths: tuple[str, ...]
    vocabulary: Mapping[str, int]
    files: BM25
    chunks: BM25
    path_terms: BM25
    chunk_file: Ints
    """[n_chunks]: position of the chunk's file."""
    chunk_definition: tuple[Definition | None, ...]
    """[n_chunks]: None for a module's own lines."""
    modules: Mapping[str, int]
    """Dotted name to the position of its file."""
    defined_in: Mapping[str, Sequence[int]]
    """Unqualified name of a definition to the positions of the files that have one."""
    recency: Floats
    """[n_files], at most 1."""


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


def build_index(
    repository: Repository, commit: str, cache: FeatureCache, progress: Progress = silent
) -> Index:
    """Index the Python files of a commit, tests left out.

    Raises:
        CommitMissing: the repository does not hold the commit.
        NoPythonFiles: nothing to rank.
    """
    sha = repository.resolve(commit)
    files = source_files(repository, sha)
    features = _features(repository, files, cache, progress)
    changed = recency(repository, sha)
    numbering = _Numbering()
    in_chunks, in_paths, where_chunks_stand = [], [], []
    chunk_file: list[int] = []
    chunk_definition: list[Definition | None] = []
    defined_in: dict[str, list[int]] = defaultdict(list)
    for position, file in enumerate(files):
        found, first = features[file.blob], len(chunk_file)
        chunk, term, count = found.postings
        in_chunks.append(np.stack([chunk + first, numbering.of(found.terms)[term], count]))
        of_path = numbering.postings(position, count_terms(file.path.removesuffix(".py")))
        in_paths.append(of_path)
        chunk_definition += [None, *found.definitions]
        chunk_file += [position] * (len(found.definitions) + 1)
        where_chunks_stand.append(_for_each(range(first, len(chunk_file)), of_path))
        for number, definition in enumerate(found.definitions, start=first + 1):
            where_chunks_stand.append(numbering.postings(number, count_terms(definition.name)))
        for name in {definition.name.rsplit(".", 1)[-1] for definition in found.definitions}:
            defined_in[name].append(position)
    of_chunk = np.array(chunk_file, dtype=np.int64)
    chunks, paths = np.concatenate(in_chunks, axis=1), np.concatenate(in_paths, axis=1)
    text = np.stack([of_chunk[chunks[0]], chunks[1], chunks[2]])
    n_terms = len(numbering.vocabulary)
    recent = np.array([changed.get(file.path, 0.0) for file in files])
    return Index(
        paths=tuple(file.path for file in files),
        vocabulary=numbering.vocabulary,
        files=BM25(np.concatenate([text, paths * [[1], [1], [PATH_WEIGHT]]], axis=1), len(files), n_terms),
        chunks=BM25(np.concatenate([chunks, *where_chunks_stand], axis=1), len(of_chunk), n_terms),
        path_terms=BM25(paths, len(files), n_terms),
        chunk_file=of_chunk,
        chunk_definition=tuple(chunk_definition),
        modules={module_of(file.path): position for position, file in enumerate(files)},
        defined_in=defined_in,
        recency=recent / (recent.max() or 1.0),
    )


class _Numbering:
    """Numbers terms in the order they are met."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}

    def of(self, terms: Iterable[str]) -> Ints:
        vocabulary = self.vocabulary
        return np.array([vocabulary.setdefault(term, len(vocabulary)) for term in terms], dtype=np.int64)

    def postings(self, document: int, counts: Mapping[str, int]) -> Ints:
        numbers = self.of(counts)
        return np.stack(
            [np.full_like(numbers, document), numbers, np.array([*counts.values()], dtype=np.int64)]
        )


def _for_each(documents: range, postings: Ints) -> Ints:
    """The terms of `postings`, once for every document of the range."""
    each = np.repeat(np.array(documents, dtype=np.int64), postings.shape[1])
    return np.stack([each, np.tile(postings[1], len(documents)), np.tile(postings[2], len(documents))])


def _features(
    repository: Repository, files: Sequence[TreeFile], cache: FeatureCache, progress: Progress
) -> dict[str, Features]:
    known = {blob: cached for blob in {file.blob for file in files} if (cached := cache.get(blob))}
    new = list({file.blob: file for file in files if file.blob not in known}.values())
    for start in range(0, len(new), _BATCH):
        batch = new[start : start + _BATCH]
        contents = repository.read_blobs(batch)
        for offset, file in enumerate(batch, start=1):
            known[file.blob] = extract(contents[file.blob]) if file.blob in contents else EMPTY
            cache.put(file.blob, known[file.blob])
            progress("indexing", start + offset, len(new))
    return known
