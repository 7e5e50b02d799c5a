"""How each column's answer differs from the baseline's: in tokens, in words, and as sets of words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.policy.decisions import Record
from orchestrator.word_differences import stretches
from services.arena.columns import Plan
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest, Ticket
from vectors.engine.sampling import Sampling
from vectors.models.tokenizer import Tokenizer

MOST_WORDS = 3000
"""Of each text, that are compared: of texts that repeat themselves the time grows with its square."""


class Span(Record):
    """A stretch of words: in both texts, only in the baseline's (delete), only in the column's (insert)."""

    kind: Literal["equal", "delete", "insert"]
    text: str


class Rival(Record):
    """One of the two tokens where answers part, with its probability in the baseline and in the column."""

    id: int
    text: str
    baseline_probability: float
    column_probability: float


class FirstDifference(Record):
    """The number of the first token that differs, from 0, and the two tokens."""

    index: int
    baseline: Rival
    column: Rival


class Difference(Record):
    """A column beside the baseline. `diff` is of words; its equal and inserted parts are the column's text.

    `jaccard` is the share of the words of both, in lower case, that both have (Jaccard 1912). Of a text of
    more than 3,000 words the rest is one stretch.
    """

    same: bool
    first: FirstDifference | None
    jaccard: float
    diff: tuple[Span, ...]


class SelfCheck(Record):
    """Whether a row steered with strength 0 had the baseline's very tokens, as far as it was followed."""

    tokens: int
    same: bool


@dataclass(frozen=True)
class Answered:
    """What is compared of a column: its text and its tokens."""

    text: str
    tokens: tuple[int, ...]


def self_check(baseline: Sequence[int], checked: Sequence[int]) -> SelfCheck:
    """Compare the row of strength 0 with the baseline."""
    return SelfCheck(tokens=len(checked), same=[*checked] == [*baseline[: len(checked)]])


def differences(
    engine: Engine, tokenizer: Tokenizer, plan: Plan, answers: Sequence[Answered]
) -> list[Difference | None]:
    """Each column beside the baseline; None for the baseline and where there is none. Blocks.

    The probabilities of the two tokens where answers part are computed once more, given what both have in
    common, in one batch. Raises what the engine raises.
    """
    found: list[Difference | None] = [None] * len(answers)
    if plan.baseline is None:
        return found
    baseline = answers[plan.baseline]
    others = [number for number in range(len(answers)) if number != plan.baseline]
    parted = {number: _parted(baseline.tokens, answers[number].tokens) for number in others}
    asked: list[GenerationRequest] = []
    for number, place in parted.items():
        if place is not None:
            both = (baseline.tokens[place], answers[number].tokens[place])
            for row in (plan.columns[plan.baseline], plan.columns[number]):
                asked.append(_scoring(row, baseline.tokens[: place + 1], both))
    tickets = iter(engine.submit_all(asked) if asked else [])
    for number in others:
        place, answer = parted[number], answers[number]
        first = None
        if place is not None:
            both = (baseline.tokens[place], answer.tokens[place])
            first = _first(tokenizer, place, both, next(tickets), next(tickets))
        found[number] = Difference(
            same=baseline.tokens == answer.tokens,
            first=first,
            jaccard=jaccard(baseline.text, answer.text),
            diff=spans(baseline.text, answer.text),
        )
    return found


def spans(baseline: str, column: str) -> tuple[Span, ...]:
    """The column's words beside the baseline's, as `git diff --word-diff` has them."""
    (before, rest_before), (after, rest_after) = _cut(baseline), _cut(column)
    found: list[Span] = []
    for same, theirs, ours in stretches(before, after):
        if same:
            found.append(Span(kind="equal", text=ours))
        else:
            found += [Span(kind="delete", text=theirs)] if theirs else []
            found += [Span(kind="insert", text=ours)] if ours else []
    found += [Span(kind="delete", text=rest_before)] if rest_before else []
    found += [Span(kind="insert", text=rest_after)] if rest_after else []
    return tuple(found)


def jaccard(one: str, other: str) -> float:
    """The share of the words of two texts, in lower case, that both have; 1 where neither has any."""
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / len(first | second) if first or second else 1.0


def _cut(text: str) -> tuple[str, str]:
    """The words that are compared, and the rest."""
    words = text.split(maxsplit=MOST_WORDS)
    if len(words) <= MOST_WORDS:
        return text, ""
    rest = words[-1]
    end = len(text) - len(rest)
    return text[:end], rest


def _parted(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The first place where tokens differ; None where one goes on as the other ends, or both are the same."""
    places = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(places, None)


def _scoring(row: GenerationRequest, tokens: tuple[int, ...], rivals: tuple[int, int]) -> GenerationRequest:
    """What the row gives to two tokens in the last place, after all before it."""
    forced = Sampling(max_new_tokens=len(tokens), forced_ids=tokens)
    return replace(row, sampling=forced, probes=(), divergence=False, alternatives={len(tokens) - 1: rivals})


def _first(
    tokenizer: Tokenizer, place: int, both: tuple[int, int], baseline: Ticket, column: Ticket
) -> FirstDifference | None:
    found = [ticket.result().alternatives.get(place) for ticket in (baseline, column)]
    rows = [each for each in found if each is not None]
    if len(rows) < 2:
        return None  # the engine was closed
    theirs, ours = (
        Rival(
            id=token,
            text=tokenizer.named(token),
            baseline_probability=math.exp(rows[0][which]),
            column_probability=math.exp(rows[1][which]),
        )
        for which, token in enumerate(both)
    )
    return FirstDifference(index=place, baseline=theirs, column=ours)
