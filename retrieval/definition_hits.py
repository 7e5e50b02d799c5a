"""Ranks the functions, methods and classes of the best files, and what else these files hold: a patch is
written in one of them.

A score is a logit up to WEIGHTS' scale: the weights were fitted by softmax regression on the functions that
gold patches change (5-fold cross-validation: 38 % at rank 1, 70 % in the first ten, n = 185).
"""

import math
from dataclasses import dataclass
from typing import Self

from retrieval.bm25 import Floats
from retrieval.definitions import Definition
from retrieval.index import Index
from retrieval.question import Question
from retrieval.tokens import count_terms

WEIGHTS = {
    "text": 1.0, "title": 0.5, "file": 0.3, "file_rank": 0.11, "symbol": 0.2, "name": 0.4, "length": 0.07
}  # fmt: skip
LOGIT = 4.8
"""A score times this is a log-probability but for a constant."""
_PER_FILE = 3


@dataclass(frozen=True)
class DefinitionHit(Definition):
    """A definition of the file `path`, or what of that is in none: kind "module", no name, lines 0 to 0."""

    path: str
    score: float

    @classmethod
    def of(cls, definition: Definition, path: str, score: float) -> Self:
        """A definition that was found in a file."""
        lines = definition.start_line, definition.end_line
        return cls(definition.name, definition.kind, *lines, path, score)

    @classmethod
    def of_module(cls, path: str, score: float) -> Self:
        """What of a file is in no definition."""
        return cls("", "module", 0, 0, path, score)


def definition_hits(
    index: Index, question: Question, file_scores: Floats, best: list[int]
) -> tuple[tuple[DefinitionHit, ...], tuple[DefinitionHit, ...]]:
    """The definitions of the best files, at most three for each on average, and these files' own lines; both
    best first.

    Args:
        file_scores: [n_files].
        best: Positions of the best files, best first.
    """
    text = scaled(index.chunks.scores(index.numbered(question.terms)))
    title = scaled(index.chunks.scores(index.numbered(question.title)))
    files = scaled(file_scores)
    hits, modules = [], []
    for rank, file in enumerate(best, start=1):
        module = int(index.first_chunk[file])
        of_file = WEIGHTS["file"] * float(files[file]) - WEIGHTS["file_rank"] * math.log(rank)

        def score(chunk: int, of_file: float = of_file) -> float:
            return of_file + WEIGHTS["text"] * float(text[chunk]) + WEIGHTS["title"] * float(title[chunk])

        modules.append(DefinitionHit.of_module(index.paths[file], score(module)))
        for chunk, definition in enumerate(index.definitions[file], start=module + 1):
            unqualified = definition.name.rsplit(".", 1)[-1]
            terms = count_terms(definition.name).keys()
            signals = {
                "symbol": min(question.symbols.get(unqualified, 0.0), 1.0)
                / math.sqrt(len(index.defined_in[unqualified])),
                "name": len(terms & question.title.keys()) / max(len(terms), 1),
                "length": math.log1p(definition.end_line - definition.start_line),
            }
            own = sum(WEIGHTS[name] * value for name, value in signals.items())
            hits.append(DefinitionHit.of(definition, index.paths[file], score(chunk) + own))
    hits.sort(key=lambda hit: -hit.score)
    modules.sort(key=lambda hit: -hit.score)
    return tuple(hits[: _PER_FILE * len(best)]), tuple(modules)


def scaled(values: Floats) -> Floats:
    """Divided by the greatest, so that the best has 1; zeros where nothing is above zero."""
    top = values.max(initial=0.0)
    return values / top if top > 0 else values * 0.0
