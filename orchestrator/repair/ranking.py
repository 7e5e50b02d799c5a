"""Ranks the edits of the suspicious functions: where the fault is, times what it looks like mended.

The score of an edit is a log-probability: that of its function among the suspects, and that of the edit among
all edits of the function. The second is a softmax regression on the features and on
the model's preference for the edit's first token over the one that stands there, which one pass over the
function gives for all its edits at once.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from orchestrator.repair.features import NAMES, features
from retrieval.definition_hits import DefinitionHit
from swebench.catalogue import Code, Edit, propose
from vectors.requests import Generation, GenerationRequest, scoring
from vectors.steering import Steering

MOST_LINES = 80
"""Of a longer function only its beginning is edited."""
_CONTEXT_LINES = 20
_MOST_SCREENED = 300
"""Edits of one function that the model is asked about, by their features."""
_MOST_PREFERENCE = 12.0  # nats; beyond that a token is simply impossible
_WEIGHTS: dict[str, Any] = json.loads(files("orchestrator.repair").joinpath("weights.json").read_text())


@dataclass(frozen=True)
class RankedEdit:
    """An edit of a function; `score` is a natural log-probability.

    `preference` is the model's for the edit's first token, in nats; None where it was not asked.
    """

    path: str
    function: str
    line: int
    edit: Edit
    score: float
    preference: float | None


class Suspect:
    """A function that may hold the fault, and every edit of it.

    Args:
        prior: Log-probability that the fault is in this function.
        code: The file, parsed with what the report mentions.
    """

    def __init__(self, prior: float, hit: DefinitionHit, code: Code, report: str) -> None:
        self.hit = hit
        self._prior = prior
        self._code = code
        self._first, self._last = hit.start_line, min(hit.end_line, hit.start_line + MOST_LINES - 1)
        edits = propose(code, self._first, self._last)
        found = features(code, edits, report, self._first, self._last)
        weights = np.array([_WEIGHTS["features"][name] for name in NAMES])
        kinds = np.array([_WEIGHTS["kinds"][edit.kind] for edit in edits])
        scores = found @ weights + kinds
        kept = np.argsort(-scores, kind="stable")[:_MOST_SCREENED]
        self.edits = [edits[i] for i in kept]
        self._scores: NDArray[np.float64] = scores[kept]
        self._title = next((line for line in report.splitlines() if line.strip()), "")[:200]

    @property
    def place(self) -> str:
        """How a trajectory names the function."""
        return f"{self.hit.path}, {self.hit.name}"

    def request(self, encode: Callable[[str], Sequence[int]], steering: Steering | None) -> GenerationRequest:
        """One pass over the function, which scores the first new token of every edit in its place."""
        source, start = self._code.source, self._code.start_of_line(self._first)
        end = self._code.start_of_line(self._last + 1)
        before = source[self._code.start_of_line(max(self._first - _CONTEXT_LINES, 1)) : start]
        prompt = encode(f"# {self._title}\n# {self.hit.path}\n{before}")
        there = encode(source[start:end])
        self._places: list[tuple[int, int] | None] = []
        asked: dict[int, dict[int, None]] = {}
        for edit in self.edits:
            new = encode(source[start : edit.start] + edit.text + source[edit.end : end])
            place = _first_difference(there, new)
            self._places.append(None if place is None else (place, new[place]))
            if place is not None:
                asked.setdefault(place, {})[new[place]] = None
        return scoring(prompt, there, steering, {place: tuple(ids) for place, ids in asked.items()})

    def ranked(self, request: GenerationRequest | None, answer: Generation | None) -> list[RankedEdit]:
        """The edits with their scores; without an answer of the model by their features alone."""
        preferences: list[float | None] = [None] * len(self.edits)
        if request and answer:
            index = {place: ids.index for place, ids in request.alternatives.items()}
            for number, there in enumerate(self._places):
                if there:
                    place, token = there
                    found = answer.alternatives[place][index[place](token)] - answer.logprobs[place]
                    preferences[number] = max(-_MOST_PREFERENCE, min(found, _MOST_PREFERENCE))
        liked = np.array([-_MOST_PREFERENCE if p is None else p for p in preferences]) if answer else 0.0
        chances = log_softmax(self._scores + _WEIGHTS["likelihood"] * liked) if self.edits else self._scores
        return [
            RankedEdit(
                self.hit.path,
                self.hit.name,
                self._code.line_of(edit.start),
                edit,
                self._prior + float(chance),
                preference,
            )
            for edit, chance, preference in zip(self.edits, chances, preferences, strict=True)
        ]


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)


def best(found: Sequence[Sequence[RankedEdit]]) -> list[RankedEdit]:
    """The edits of all suspects, best first."""
    return sorted((edit for edits in found for edit in edits), key=lambda edit: -edit.score)
