"""What the index needs to know of one blob: its definitions, and the terms of each of its chunks.

Chunks do not overlap and cover the file: chunk 0 is the module's own lines, chunk i + 1 the lines of
definition i that belong to no definition inside it. So a file's terms are the sum of its chunks'. Nothing
here depends on the path, so the features of a blob can be kept under its hash.
"""

import json
from collections import defaultdict
from dataclasses import astuple, dataclass

import numpy as np

from retrieval.bm25 import Ints
from retrieval.decoding import decoded
from retrieval.definitions import Definition, find_definitions, lines_of
from retrieval.tokens import count_terms


@dataclass(frozen=True)
class Features:
    """`postings` is [3, n]: chunk, position in `terms`, occurrences."""

    definitions: tuple[Definition, ...]
    terms: tuple[str, ...]
    postings: Ints

    def to_bytes(self) -> bytes:
        """A line of JSON, then the postings as little-endian int32."""
        head = [[astuple(definition) for definition in self.definitions], self.terms]
        return json.dumps(head).encode() + b"\n" + self.postings.astype("<i4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Features":
        """The inverse of to_bytes; raises ValueError or TypeError on anything else."""
        head, _, tail = data.partition(b"\n")
        definitions, terms = json.loads(head)
        postings = np.frombuffer(tail, dtype="<i4").reshape(3, -1).astype(np.int32)
        if postings.size and not (
            postings.min() >= 0 and postings[0].max() <= len(definitions) and postings[1].max() < len(terms)
        ):
            raise ValueError("postings out of bounds")
        return cls(tuple(Definition(*definition) for definition in definitions), tuple(terms), postings)


def text_of(data: bytes) -> str:
    """A Python file in the encoding that it declares, or else as UTF-8 with replacements."""
    try:
        return decoded(data)
    except (SyntaxError, UnicodeError, LookupError):
        return data.decode("utf-8", errors="replace")


EMPTY = Features((), (), np.zeros((3, 0), dtype=np.int32))


def extract(data: bytes) -> Features:
    """The features of a Python file; binary files are empty."""
    if b"\0" in data:
        return EMPTY
    text = text_of(data)
    definitions = find_definitions(text)
    numbering: dict[str, int] = {}
    postings: list[tuple[int, int, int]] = []
    for chunk, lines in _chunks(lines_of(text), definitions).items():
        for term, count in count_terms("\n".join(lines)).items():
            postings.append((chunk, numbering.setdefault(term, len(numbering)), count))
    columns = np.array(postings, dtype=np.int32).reshape(-1, 3).T
    return Features(tuple(definitions), tuple(numbering), columns)


def _chunks(lines: list[str], definitions: list[Definition]) -> dict[int, list[str]]:
    owner = [0] * len(lines)
    for chunk, definition in enumerate(definitions, start=1):  # outer before inner, so the innermost stays
        end = min(definition.end_line, len(lines))
        owner[definition.start_line - 1 : end] = [chunk] * (end - definition.start_line + 1)
    chunks: dict[int, list[str]] = defaultdict(list)
    for chunk, line in zip(owner, lines, strict=True):
        chunks[chunk].append(line)
    return chunks
