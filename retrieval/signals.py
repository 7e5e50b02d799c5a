"""What is asked of a commit's files to rank them: one signal each for one kind of evidence.

The score of a file is the sum of all signals, each scaled so that its best file has its weight. A further one
is a `Signal` under a name of its own in the table that a Retriever is made with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from retrieval.bm25 import Floats
from retrieval.definition_hits import scaled
from retrieval.index import Index
from retrieval.mentions import defining_files
from retrieval.question import Question


@dataclass(frozen=True)
class Signal:
    """`scores` says of every file [n_files], in any scale from 0, how much speaks for it.

    The best file gets `weight`.
    """

    weight: float
    scores: Callable[[Index, Question], Floats]


def _text(index: Index, question: Question) -> Floats:
    return index.files.scores(index.numbered(question.terms))


def _title(index: Index, question: Question) -> Floats:
    return index.files.scores(index.numbered(question.title))


def _definition(index: Index, question: Question) -> Floats:
    of_chunks = index.chunks.scores(index.numbered(question.terms))
    best: Floats = np.maximum.reduceat(of_chunks, index.first_chunk[:-1])
    return best


def _path(index: Index, question: Question) -> Floats:
    return index.path_terms.scores(index.numbered(question.terms))


def _names(index: Index, question: Question) -> Floats:
    return index.names.scores(index.numbered(question.terms))


def _symbols(index: Index, question: Question) -> Floats:
    return _spread(defining_files(question.symbols, index.defined_in), len(index.paths))


def _mentioned(index: Index, question: Question) -> Floats:
    return _spread(question.files, len(index.paths))


def _history(index: Index, question: Question) -> Floats:
    return index.history.scores(question.title)


SIGNALS: Mapping[str, Signal] = {
    "text": Signal(0.5, _text),
    "title": Signal(1.0, _title),
    "definition": Signal(0.5, _definition),
    "path": Signal(0.5, _path),
    "names": Signal(0.25, _names),
    "symbols": Signal(0.3, _symbols),
    "mentioned": Signal(0.1, _mentioned),
    "history": Signal(0.25, _history),
}
"""Our own, which every Retriever has."""


def ask(signals: Mapping[str, Signal], index: Index, question: Question) -> dict[str, Floats]:
    """What each signal says of every file [n_files], scaled so that its best file has 1."""
    return {name: scaled(signal.scores(index, question)) for name, signal in signals.items()}


def _spread(values: Mapping[int, float], n: int) -> Floats:
    array = np.zeros(n)
    for position, value in values.items():
        array[position] = value
    return array
