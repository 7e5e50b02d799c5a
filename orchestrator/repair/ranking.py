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

MOST_LINES = 80
"""Of a longer function only its beginning is edited."""
_CONTEXT_LINES = 20
_MOST_CONTEXT = 2000  # characters
_MOST_SCREENED = 300
"""Edits of one function that the model is asked about, by their features."""
_MOST_PREFERENCE = 12.0  # nats; beyond that a token is simply impossible
_WEIGHTS: dict[str, Any] = json.loads(files("orchestrator.repair").joinpath("weights.json").read_text())


@dataclass(frozen=True)
class RankedEdit:
    """An edit of a function; `score` is a natural log-probability.

    `preference` is the model's for the edit's first token, in nats; None where no token differs.
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

    def request(self, encode: Callable[[str], Sequence[int]]) -> GenerationRequest:
        """One pass over the function, which scores the first new token of every edit in its place."""
        source, start = self._code.source, self._code.start_of_line(self._first)
        end = self._code.start_of_line(self._last + 1)
        before = source[self._code.start_of_line(max(self._first - _CONTEXT_LINES, 1)) : start]
        prompt = encode(f"# {self._title}\n# {self.hit.path}\n{before[-_MOST_CONTEXT:]}")
        there = encode(source[start:end])
        self._places: list[tuple[int, int] | None] = []
        asked: dict[int, dict[int, None]] = {}
        for edit in self.edits:
            new = encode(source[start : edit.start] + edit.text + source[edit.end : end])
            place = _first_difference(there, new)
            self._places.append(None if place is None else (place, new[place]))
            if place is not None:
                asked.setdefault(place, {})[new[place]] = None
        return scoring(prompt, there, alternatives={place: tuple(ids) for place, ids in asked.items()})

    def ranked(self, request: GenerationRequest, answer: Generation) -> list[RankedEdit]:
        """The edits with their scores, by the answer to this suspect's request."""
        preferences: list[float | None] = []
        for there in self._places:
            found = None
            if there:
                place, token = there
                scored = dict(zip(request.alternatives[place], answer.alternatives[place], strict=True))
                found = max(-_MOST_PREFERENCE, min(scored[token] - answer.logprobs[place], _MOST_PREFERENCE))
            preferences.append(found)
        liked = np.array([-_MOST_PREFERENCE if found is None else found for found in preferences])
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
