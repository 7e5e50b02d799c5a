"""Texts answered and scored under several steerings at once, in the same batches."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from orchestrator.errors import ConfigError
from orchestrator.session import Session
from vectors.engine.requests import Generation, GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.measuring.asking import ROWS, asked
from vectors.measuring.journal import Journal
from vectors.steering.intervention import Steering

Prompt = tuple[tuple[int, ...], Sampling]
"""What an answer goes on from, and how it is chosen."""
Scored = tuple[tuple[int, ...], tuple[int, ...]]
"""What stands before, and what is scored after it."""
Score = tuple[float, bool]
"""The log-likelihood of a continuation in nats, and whether greedy decoding would write it."""

_AT_ONCE = 4 * ROWS
"""Prompts or contexts of a unit: the engine has others to go on with where some have ended."""
_Group = tuple[tuple[int, ...], list[tuple[int, ...]]]
"""What stands before, and all that is scored after it."""
_Asked = TypeVar("_Asked")


class Answering:
    """Asks a session's engine, and keeps finished units in `journal`, which has begun.

    Raises ConfigError where the journal holds answers to other texts.
    """

    def __init__(self, session: Session, steerings: Sequence[Steering], journal: Journal) -> None:
        self._session, self._journal = session, journal
        self._steerings = tuple(steerings)

    def texts(self, prompts: Sequence[Prompt]) -> list[list[str]]:
        """What is written after each prompt, [prompts][steerings]."""
        self._same(repr(prompts))
        makes = [partial(self._written, part) for part in _parts(prompts)]
        units = self._journal.each("answering", makes, self._session.progress)
        return [each for unit in units for each in unit]

    def scores(self, asked_for: Sequence[Scored]) -> dict[Scored, list[Score]]:
        """The scores of each continuation after its context, one a steering.

        Continuations of one token after the same context are one request: their scores stand side by side in
        the distribution of one place.
        """
        groups = _by_context(dict.fromkeys(asked_for))
        self._same(repr(groups))
        makes = [partial(self._scored, part) for part in _parts(groups)]
        units = self._journal.each("scoring", makes, self._session.progress)
        found: dict[Scored, list[Score]] = {}
        made = (each for unit in units for each in unit)
        for (context, continuations), of_context in zip(groups, made, strict=True):
            for continuation, scores in zip(continuations, of_context, strict=True):
                found[context, continuation] = [(value, greedy) for value, greedy in scores]
        return found

    def _same(self, said: str) -> None:
        """What is kept is of these very texts, or there is nothing kept."""
        digest = hashlib.sha256(said.encode()).hexdigest()
        if self._journal.once(lambda: digest) != digest:
            raise ConfigError("what is asked has changed since this was interrupted: start over with --fresh")

    def _written(self, prompts: Sequence[Prompt]) -> list[list[str]]:
        requests = [
            GenerationRequest(ids, steering, sampling)
            for ids, sampling in prompts
            for steering in self._steerings
        ]
        made = iter(asked(self._session.engine, requests))
        return [[next(made).text for _ in self._steerings] for _ in prompts]

    def _scored(self, groups: Sequence[_Group]) -> list[list[list[Score]]]:
        """[contexts][continuations][steerings]"""
        requests = [request for each in groups for request in _requests(each, self._steerings)]
        made = iter(asked(self._session.engine, requests))
        return [_scores_of(each, len(self._steerings), made) for each in groups]


def _parts(requests: Sequence[_Asked]) -> list[Sequence[_Asked]]:
    return [requests[first : first + _AT_ONCE] for first in range(0, len(requests), _AT_ONCE)]


def _by_context(asked_for: Iterable[Scored]) -> list[_Group]:
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for context, continuation in asked_for:
        groups.setdefault(context, []).append(continuation)
    return list(groups.items())


def _requests(of: _Group, steerings: Sequence[Steering]) -> list[GenerationRequest]:
    context, continuations = of
    if all(len(each) == 1 for each in continuations):
        one = Sampling(1, logprobs=True, top_logprobs=1)
        ids = tuple(each[0] for each in continuations)
        return [GenerationRequest(context, steering, one, alternatives={0: ids}) for steering in steerings]
    whole = [scoring(context, each, steering) for steering in steerings for each in continuations]
    return [replace(each, sampling=replace(each.sampling, top_logprobs=1)) for each in whole]


def _scores_of(of: _Group, steerings: int, made: Iterator[Generation]) -> list[list[Score]]:
    """[continuations][steerings], of the generations that `_requests` asks for."""
    _, continuations = of
    by_steering: list[list[Score]] = []
    for _ in range(steerings):
        if all(len(each) == 1 for each in continuations):
            found = next(made)
            likeliest = found.top[0][0][0]
            values = zip(continuations, found.alternatives[0], strict=True)
            by_steering.append([(value, each == (likeliest,)) for each, value in values])
        else:
            by_steering.append([_score(each, next(made)) for each in continuations])
    return [list(scores) for scores in zip(*by_steering, strict=True)]


def _score(continuation: tuple[int, ...], found: Generation) -> Score:
    return sum(found.logprobs), all(
        likeliest[0][0] == token for token, likeliest in zip(continuation, found.top, strict=True)
    )
