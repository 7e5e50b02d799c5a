"""The files of a commit as the index takes them in, with the terms of all commits in one numbering.

Successive commits share almost all their files: only those never met are read, parsed or looked up in the
cache, and what has a number keeps it.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.bm25 import Ints
from retrieval.cache import FeatureCache
from retrieval.definitions import Definition
from retrieval.features import EMPTY, Features, extract
from retrieval.numbers import Numbers
from retrieval.progress import Progress
from retrieval.store import Repository, TreeFile
from retrieval.tokens import count_terms

PATH_WEIGHT = 10
"""How often a path's terms count in its file's text."""
_BATCH = 256
_MAX_TERMS = 2_000_000
"""Beyond that the numbering starts anew: a long-lived process must not gather the terms of all history."""


@dataclass(frozen=True)
class Document:
    """A file under its path.

    `text`, `names` (of all its definitions) and `path` are [2, n]: term, occurrences; the path is in the text
    too, PATH_WEIGHT times. `chunks` is [3, n]: chunk, term, occurrences. Chunk 0 is the module's own lines,
    chunk i + 1 those of definition i; where a chunk stands, its path and name, counts as part of it.
    """

    definitions: tuple[Definition, ...]
    defined: frozenset[str]
    text: Ints
    chunks: Ints
    names: Ints
    path: Ints


class Numbering:
    """Numbers terms in the order they are met."""

    def __init__(self) -> None:
        self.vocabulary = Numbers()
        self.counted = functools.lru_cache(maxsize=1 << 15)(self._counted)

    def numbered(self, counts: Mapping[str, int]) -> Ints:
        """[2, n]: terms and their occurrences."""
        return np.stack([self.vocabulary.of(counts), np.array([*counts.values()], dtype=np.int32)])

    def _counted(self, name: str) -> Ints:
        """[2, n]: the terms of a short text, such as a name or a path; kept."""
        return self.numbered(count_terms(name))


class Corpus:
    """The documents of the commit asked for last; earlier ones that it shares are taken over."""

    def __init__(self, repository: Repository, cache: FeatureCache) -> None:
        self.numbering = Numbering()
        self._repository = repository
        self._cache = cache
        self._documents: dict[tuple[str, str], Document] = {}

    def documents(self, files: Sequence[TreeFile], progress: Progress) -> list[Document]:
        """The documents of some files, in their order; those of files not asked for are forgotten."""
        if len(self.numbering.vocabulary) > _MAX_TERMS:
            self.numbering, self._documents = Numbering(), {}
        missing = [file for file in files if (file.path, file.blob) not in self._documents]
        features = self._features(missing, progress)
        made = {(file.path, file.blob): self._document(file, features[file.blob]) for file in missing}
        known = self._documents | made
        self._documents = {(file.path, file.blob): known[file.path, file.blob] for file in files}
        return list(self._documents.values())

    def _features(self, files: Sequence[TreeFile], progress: Progress) -> dict[str, Features]:
        blobs = {file.blob: file for file in files}
        found = {blob: known for blob in blobs if (known := self._cache.get(blob))}
        new = [file for blob, file in blobs.items() if blob not in found]
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            contents = self._repository.read_blobs(batch)
            for offset, file in enumerate(batch, start=1):
                found[file.blob] = extract(contents[file.blob]) if file.blob in contents else EMPTY
                if file.size is not None:
                    self._cache.put(file.blob, found[file.blob])
                progress("indexing", start + offset, len(new))
        return found

    def _document(self, file: TreeFile, features: Features) -> Document:
        numbers = self.numbering.vocabulary.of(features.terms)
        code, names = (
            np.stack([at, numbers[term], n]) for at, term, n in (features.postings, features.names)
        )
        occurring = np.bincount(
            features.postings[1], weights=features.postings[2], minlength=len(numbers)
        ).astype(np.int32)
        here = occurring > 0
        path = self.numbering.counted(file.path.removesuffix(".py"))
        n_chunks = len(features.definitions) + 1
        stands = np.repeat(np.arange(n_chunks, dtype=np.int32), path.shape[1])
        weighted = path * np.array([[1], [PATH_WEIGHT]], dtype=np.int32)
        return Document(
            features.definitions,
            frozenset(definition.name.rsplit(".", 1)[-1] for definition in features.definitions),
            text=np.concatenate([[numbers[here], occurring[here]], weighted], axis=1, dtype=np.int32),
            chunks=np.concatenate([code, names, [stands, *np.tile(path, n_chunks)]], axis=1, dtype=np.int32),
            names=names[1:],
            path=path,
        )
