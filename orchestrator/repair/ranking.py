"""Ranks the edits of the suspicious functions: where the fault is, times what it looks like mended.

The score of an edit is a log-probability: that of its function among the suspects, and that of the edit among
all edits of the function. The second is a softmax regression on the features and on
the model's preference for the edit's first token over the one that stands there, which one pass over the
function gives for all its edits at once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.repair.features import NAMES, Issue, features
from orchestrator.repair.places import ranges, reached_lines
from orchestrator.repair.tokens import TokenizedText
from retrieval.definition_hits import DefinitionHit
from retrieval.tokens import count_terms
from swebench.catalogue import KINDS, Code, Edit, Kind, propose
from swebench.catalogue.shown import METHOD
from vectors.engine.requests import Generation, GenerationRequest, scoring

_CONTEXT_LINES = 20
_MOST_CONTEXT = 2000  # characters
MOST_SCREENED = 300  # edits of one place
_MOST_PREFERENCE = 12.0  # nats; beyond that a token is simply impossible
WEIGHTS: Mapping[str, Any] = json.loads(files("orchestrator.repair").joinpath("weights.json").read_text())


class Encode(Protocol):
    """Text → tokens, of a text that begins a sequence or goes on with one."""

    def __call__(self, text: str, *, begins: bool) -> Sequence[int]:
        """Return the tokens of `text`."""
        ...


@dataclass(frozen=True)
class RankedEdit:
    """An edit of a function; `score` is a natural log-probability.

    `preference` is the model's for the edit's first token, in nats; None where no token differs or the model
    was not asked.
    """

    path: str
    function: str
    line: int
    edit: Edit
    score: float
    preference: float | None


class Suspect:
    """A function, class body or module body that may hold the fault, and every edit of it.

    Args:
        prior: Log-probability that the fault is there.
        code: The file, parsed with what the issue mentions.
        most: Edits that the model is asked about, those with the best features; None for all.
        executed: Lines that are known to run when the fault shows; only statements with one are edited.
        kinds: What proposes edits.
    """

    def __init__(
        self,
        prior: float,
        hit: DefinitionHit,
        code: Code,
        issue: Issue,
        weights: Mapping[str, Any] = WEIGHTS,
        most: int | None = MOST_SCREENED,
        executed: frozenset[int] | None = None,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        self.hit = hit
        self.prior = prior
        self._code = code
        self._weights = weights
        self._title = issue.title[:200]
        self.ranges = ranges(code, hit, set(count_terms(issue.text)))
        edits = [edit for first, last in self.ranges for edit in propose(code, first, last, kinds)]
        if executed is not None:
            reached = reached_lines(code, executed)
            edits = [edit for edit in edits if code.line_of(edit.start) in reached]
        found = features(code, edits, issue, hit.start_line, hit.end_line)
        scores = found @ np.array([weights["features"][name] for name in NAMES])
        scores += np.array([weights["kinds"].get(edit.kind, 0.0) for edit in edits])
        order = np.argsort(-scores, kind="stable")
        self.edits = [edits[i] for i in order]
        self.features: NDArray[np.float64] = found[order]
        self._scores: NDArray[np.float64] = scores[order]
        self._asked = self.edits[:most]

    @property
    def place(self) -> str:
        """How a trajectory names the function."""
        return f"{self.hit.path}, {self.hit.name or 'the module itself'}"

    def requests(self, encode: Encode) -> list[GenerationRequest]:
        """One pass over each range, which scores the first new token of every edit in its place."""
        self._places: list[tuple[int, int, int] | None] = [None] * len(self._asked)
        return [self._request(number, encode) for number in range(len(self.ranges))]

    def _request(self, number: int, encode: Encode) -> GenerationRequest:
        source, (first, last) = self._code.source, self.ranges[number]
        start, end = self._code.start_of_line(first), self._code.start_of_line(last + 1)
        before = source[self._code.start_of_line(max(first - _CONTEXT_LINES, 1)) : start]
        prompt = encode(f"# {self._title}\n# {self.hit.path}\n{before[-_MOST_CONTEXT:]}", begins=True)
        there = TokenizedText(partial(encode, begins=False), source[start:end])
        asked: dict[int, dict[int, None]] = {}
        for index, edit in enumerate(self._asked):
            if start <= edit.start < end:
                found = there.first_difference(edit.start - start, min(edit.end, end) - start, edit.text)
                if found is not None:
                    place, token = found
                    self._places[index] = (number, place, token)
                    asked.setdefault(place, {})[token] = None
        return scoring(prompt, there.ids, alternatives={place: tuple(ids) for place, ids in asked.items()})

    def model_features(
        self, requests: Sequence[GenerationRequest], answers: Sequence[Generation]
    ) -> NDArray[np.float64]:
        """What the model says of each edit, in nats, [len(edits), 2]: preference, and surprise at what stands
        there. Nan where no token differs, and the mean of the others where the model was not asked.
        """
        found = np.full((len(self._asked), 2), np.nan)
        for index, there in enumerate(self._places):
            if there:
                number, place, token = there
                request, answer = requests[number], answers[number]
                scored = dict(zip(request.alternatives[place], answer.alternatives[place], strict=True))
                preference = scored[token] - answer.logprobs[place]
                found[index] = preference, -answer.logprobs[place]
        found = found.clip(-_MOST_PREFERENCE, _MOST_PREFERENCE)
        others = np.zeros(2) if np.isnan(found).all() else np.nanmean(found, axis=0)
        return np.vstack([found, np.tile(others, (len(self.edits) - len(found), 1))])

    def ranked(
        self, requests: Sequence[GenerationRequest], answers: Sequence[Generation]
    ) -> list[RankedEdit]:
        """The edits with their scores, by the answers to this suspect's requests."""
        if not self.edits:
            return []
        from scipy.special import log_softmax  # not needed before the first token

        said = self.model_features(requests, answers)
        liked = filled(said) @ np.array(self._weights["likelihood"])
        chances = log_softmax(self._scores + liked)
        return [
            RankedEdit(
                self.hit.path,
                self.hit.name,
                self._code.line_of(edit.start),
                edit,
                self.prior + float(chance),
                None if np.isnan(said[index, 0]) or index >= len(self._asked) else float(said[index, 0]),
            )
            for index, (edit, chance) in enumerate(zip(self.edits, chances, strict=True))
        ]


def filled(model_features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the model says of each edit, [n, 2], where it was not asked as though it found it impossible."""
    return np.where(np.isnan(model_features), [-_MOST_PREFERENCE, 0.0], model_features)


def best(found: Sequence[Sequence[RankedEdit]]) -> list[RankedEdit]:
    """The edits of all suspects, best first.

    A method that a class lacks may come in before each of the others; only the best of these is kept.
    """
    ranked = sorted((edit for edits in found for edit in edits), key=lambda edit: -edit.score)
    come_in: set[tuple[str, str, str]] = set()
    kept = []
    for each in ranked:
        method = (each.path, each.function.rpartition(".")[0], each.edit.text)
        if each.edit.kind != METHOD or method not in come_in:
            kept.append(each)
            come_in.add(method)
    return kept
