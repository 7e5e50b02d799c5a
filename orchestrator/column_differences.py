"""How each column's answer differs from the baseline's: in tokens, in words, and as sets of words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from orchestrator.policy.decisions import Record
from orchestrator.word_differences import stretches

if TYPE_CHECKING:  # what cannot be answered is refused before torch is imported
    from vectors.engine.engine import Engine
    from vectors.engine.requests import GenerationRequest, Ticket
    from vectors.models.tokenizer import Tokenizer


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

    `jaccard` is the share of the words of both, in lower case, that both have (Jaccard 1912). Of texts that
    repeat themselves too long only the beginnings are compared, and the rest is one stretch.
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
    engine: "Engine",
    tokenizer: "Tokenizer",
    rows: "Sequence[GenerationRequest]",
    answers: Sequence[Answered],
    baseline: int | None,
) -> list[Difference | None]:
    """Each column beside the one with the number `baseline`; None for that and where there is none. Blocks.

    `rows` are the requests that were answered. The probabilities of the two tokens where answers part are
    computed once more, given what both have in common, in one batch. Raises what the engine raises.
    """
    found: list[Difference | None] = [None] * len(answers)
    if baseline is None:
        return found
    plain = answers[baseline]
    others = [number for number in range(len(answers)) if number != baseline]
    places = {number: parted(plain.tokens, answers[number].tokens) for number in others}
    asked: list[GenerationRequest] = []
    for number, place in places.items():
        if place is not None:
            both = (plain.tokens[place], answers[number].tokens[place])
            for row in (rows[baseline], rows[number]):
                asked.append(_scoring(row, plain.tokens[: place + 1], both))
    tickets = iter(engine.submit_all(asked) if asked else [])
    for number in others:
        place, answer = places[number], answers[number]
        first = None
        if place is not None:
            both = (plain.tokens[place], answer.tokens[place])
            first = _first(tokenizer, place, both, next(tickets), next(tickets))
        found[number] = Difference(
            same=plain.tokens == answer.tokens,
            first=first,
            jaccard=jaccard(plain.text, answer.text),
            diff=spans(plain.text, answer.text),
        )
    return found


def spans(baseline: str, column: str) -> tuple[Span, ...]:
    """The column's words beside the baseline's, as `git diff --word-diff` has them."""
    found: list[Span] = []
    for same, theirs, ours in stretches(baseline, column):
        if same:
            found.append(Span(kind="equal", text=ours))
        else:
            found += [Span(kind="delete", text=theirs)] if theirs else []
            found += [Span(kind="insert", text=ours)] if ours else []
    return tuple(found)


def jaccard(one: str, other: str) -> float:
    """The share of the words of two texts, in lower case, that both have; 1 where neither has any."""
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / len(first | second) if first or second else 1.0


def parted(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The first place where tokens differ; None where one goes on as the other ends, or both are the same."""
    places = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(places, None)


def _scoring(
    row: "GenerationRequest", tokens: tuple[int, ...], rivals: tuple[int, int]
) -> "GenerationRequest":
    """What the row gives to two tokens in the last place, after all before it."""
    from vectors.engine.sampling import Sampling

    forced = Sampling(max_new_tokens=len(tokens), forced_ids=tokens)
    return replace(row, sampling=forced, probes=(), divergence=False, alternatives={len(tokens) - 1: rivals})


def _first(
    tokenizer: "Tokenizer", place: int, both: tuple[int, int], baseline: "Ticket", column: "Ticket"
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
