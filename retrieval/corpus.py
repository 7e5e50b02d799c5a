"""What is known of a repository's blobs, with the terms of all of them in one numbering.

Successive commits share almost all their blobs: only those never met are read, parsed or looked up in the
cache, and what has a number keeps it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.bm25 import Ints
from retrieval.cache import FeatureCache
from retrieval.definitions import Definition
from retrieval.features import EMPTY, Features, extract
from retrieval.progress import Progress
from retrieval.store import Repository, TreeFile
from retrieval.tokens import count_terms

_BATCH = 256
_MAX_TERMS = 2_000_000
"""Beyond that the numbering starts anew: a long-lived process must not gather the terms of all history."""


class Numbering:
    """Numbers terms in the order they are met."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}

    def of(self, terms: Iterable[str]) -> Ints:
        """The numbers of terms, new ones for those not met before."""
        vocabulary = self.vocabulary
        return np.array([vocabulary.setdefault(term, len(vocabulary)) for term in terms], dtype=np.int64)

    def counted(self, text: str) -> Ints:
        """[2, n]: the terms of a text and their occurrences."""
        counts = count_terms(text)
        return np.stack([self.of(counts), np.array([*counts.values()], dtype=np.int64)])


@dataclass(frozen=True)
class Blob:
    """`postings` is [3, n]: chunk, term, occurrences. `names` is [3, n]: definition, term, occurrences."""

    definitions: tuple[Definition, ...]
    postings: Ints
    names: Ints


class Corpus:
    """The blobs of the commit asked for last, read from the cache or made."""

    def __init__(self, repository: Repository, cache: FeatureCache) -> None:
        self.numbering = Numbering()
        self._repository = repository
        self._cache = cache
        self._blobs: dict[str, Blob] = {}

    def blobs(self, files: Sequence[TreeFile], progress: Progress) -> Mapping[str, Blob]:
        """The blobs of some files by their hash; those of files not asked for are forgotten."""
        if len(self.numbering.vocabulary) > _MAX_TERMS:
            self.numbering, self._blobs = Numbering(), {}
        unseen = {file.blob: file for file in files if file.blob not in self._blobs}
        found = {blob: self._numbered(known) for blob in unseen if (known := self._cache.get(blob))}
        new = [file for blob, file in unseen.items() if blob not in found]
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            contents = self._repository.read_blobs(batch)
            for offset, file in enumerate(batch, start=1):
                features = extract(contents[file.blob]) if file.blob in contents else EMPTY
                self._cache.put(file.blob, features)
                found[file.blob] = self._numbered(features)
                progress("indexing", start + offset, len(new))
        kept = {file.blob: self._blobs[file.blob] for file in files if file.blob in self._blobs}
        self._blobs = kept | found
        return self._blobs

    def _numbered(self, features: Features) -> Blob:
        chunk, term, count = features.postings
        names = [
            np.vstack([np.full((1, counted.shape[1]), number, dtype=np.int64), counted])
            for number, definition in enumerate(features.definitions, start=1)
            for counted in [self.numbering.counted(definition.name)]
        ]
        return Blob(
            features.definitions,
            np.stack([chunk, self.numbering.of(features.terms)[term], count]),
            np.concatenate([np.zeros((3, 0), dtype=np.int64), *names], axis=1),
        )
