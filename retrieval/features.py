"""What the index needs to know of one blob: its definitions, and the terms of each of its chunks.

Chunks do not overlap and cover the file: chunk 0 is the module's own lines, chunk i + 1 the lines of
definition i that belong to no definition inside it. So a file's terms are the sum of its chunks'. Nothing
here depends on the path, so the features of a blob can be kept under its hash.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from retrieval.bm25 import Ints
from retrieval.decoding import decoded
from retrieval.definitions import Definition, find_definitions, line_starts
from retrieval.numbers import count_in_groups
from retrieval.tokens import words


@dataclass(frozen=True)
class Features:
    """`postings` is [3, n]: chunk, position in `terms`, occurrences; `names` the same of the definitions'
    names, each under its definition's chunk."""

    definitions: tuple[Definition, ...]
    terms: tuple[str, ...]
    postings: Ints
    names: Ints

    def to_bytes(self) -> bytes:
        """A line of JSON, then postings and names as little-endian int32."""
        definitions = [(each.name, each.kind, each.start_line, each.end_line) for each in self.definitions]
        head = [definitions, self.terms, self.postings.shape[1]]
        both = np.concatenate([self.postings, self.names], axis=1)
        return json.dumps(head).encode() + b"\n" + both.astype("<i4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Features":
        """The inverse of to_bytes; raises ValueError or TypeError on anything else."""
        head, _, tail = data.partition(b"\n")
        definitions, terms, n_postings = json.loads(head)
        both = np.frombuffer(tail, dtype="<i4").reshape(3, -1).astype(np.int32)
        if both.size and not (
            both.min() >= 0 and both[0].max() <= len(definitions) and both[1].max() < len(terms)
        ):
            raise ValueError("postings out of bounds")
        found = tuple(Definition(*definition) for definition in definitions)
        return cls(found, tuple(terms), both[:, :n_postings], both[:, n_postings:])


def text_of(data: bytes) -> str:
    """A Python file in the encoding that it declares, or else as UTF-8 with replacements."""
    try:
        return decoded(data)
    except (SyntaxError, UnicodeError, LookupError):
        return data.decode("utf-8", errors="replace")


EMPTY = Features((), (), *np.zeros((2, 3, 0), dtype=np.int32))


def extract(data: bytes) -> Features:
    """The features of a Python file; binary files are empty."""
    if b"\0" in data:
        return EMPTY
    text = text_of(data)
    definitions = find_definitions(text)
    found: list[str] = []
    groups, sizes = [], []
    named = enumerate((definition.name for definition in definitions), start=len(definitions) + 1)
    for group, part in [*_parts(text, definitions), *named]:
        here = words(part)
        found += here
        groups.append(group)
        sizes.append(len(here))
    terms, counted = count_in_groups(np.repeat(np.array(groups, dtype=np.int32), sizes), found)
    is_name = counted[0] > len(definitions)
    names = counted[:, is_name]
    names[0] -= len(definitions)
    return Features(tuple(definitions), tuple(terms), counted[:, ~is_name], names)


def _parts(text: str, definitions: list[Definition]) -> Iterator[tuple[int, str]]:
    """The text in parts of whole lines, each with the chunk that it belongs to."""
    starts = line_starts(text)
    owner = np.zeros(len(starts), dtype=np.int32)
    for chunk, definition in enumerate(definitions, start=1):  # outer before inner, so the innermost stays
        owner[definition.start_line - 1 : definition.end_line] = chunk
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    bounds = [*starts[first].tolist(), len(text)]
    for chunk, start, end in zip(owner[first].tolist(), bounds, bounds[1:], strict=False):
        yield chunk, text[start:end]
