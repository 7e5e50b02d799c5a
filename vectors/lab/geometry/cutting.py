"""What one tokenizer does to texts, timestamps, numerals and tool calls, as plain counts."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from vectors.lab.geometry.original_scores import Scores, original_scores
from vectors.lab.geometry.passages import (
    Call,
    Corpus,
    fields,
    numerals,
    own_pairs,
    own_prompts,
    timestamps,
    tool_calls,
)
from vectors.lab.geometry.tokenizers import Cutter, cuts, pieces

_NAMES = re.compile(r"\b(?=\w*[a-z][A-Z]|\w*[A-Za-z0-9]_[A-Za-z0-9])[A-Za-z_]\w*\b", re.ASCII)
"""Identifiers that show that they are: snake_case and camelCase."""
SEGMENTED = "long request, French"
"""Which of our own texts is shown in pieces."""

Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Names:
    """A text's identifiers, each as often as it occurs: how many, their tokens, and how many nothing cuts."""

    names: int
    tokens: int
    whole: int


@dataclass(frozen=True)
class Counts:
    """What a tokenizer does, text by text.

    tokens        of each text, by corpus; `names` are the texts' identifiers
    stamps        tokens of each timestamp; `torn` says of each of its fields whether a cut falls into it
    groupings     how each numeral is cut, such as "3+1", by its digits
    structure     share of each tool call's tokens that belongs to names, quotes and brackets, not to values
    pair_cuts     where each of our own sentences is cut, French and English by turns (`tokenizers.cuts`)
    prompts       tokens of our own texts, by what they are; `shown` is one of them in pieces
    """

    tokenizer: str
    sha256: str
    vocabulary: int
    tokens: dict[str, tuple[int, ...]]
    names: dict[str, tuple[Names, ...]]
    stamps: tuple[int, ...]
    torn: tuple[dict[str, bool], ...]
    groupings: dict[int, tuple[str, ...]]
    structure: tuple[float, ...]
    pair_cuts: tuple[tuple[int, ...], ...]
    prompts: dict[str, int]
    shown: tuple[str, ...]
    original: Scores


def counted(cutter: Cutter, corpora: Sequence[Corpus], n: int, seed: int) -> Counts:
    """Cut the corpora, `n` timestamps, tool calls and numerals of each length, and our own sentences."""
    spans = {each.name: cutter.spans(each.texts) for each in corpora}
    stamps, calls = timestamps(n, seed), tool_calls(n, seed)
    cut_stamps, cut_calls = cutter.spans(stamps), cutter.spans([call.text for call in calls])
    sentences = [text for pair in own_pairs() for text in pair]
    prompts = own_prompts()
    return Counts(
        tokenizer=cutter.name,
        sha256=cutter.sha256,
        vocabulary=cutter.vocabulary,
        tokens={name: tuple(map(len, found)) for name, found in spans.items()},
        names={each.name: tuple(map(_names, each.texts, spans[each.name])) for each in corpora if each.code},
        stamps=tuple(map(len, cut_stamps)),
        torn=tuple(map(_torn, stamps, cut_stamps)),
        groupings={
            digits: tuple(map(_grouping, drawn, cutter.spans(drawn)))
            for digits, drawn in numerals(n, seed).items()
        },
        structure=tuple(map(_structure, calls, cut_calls)),
        pair_cuts=tuple(tuple(cuts(*each)) for each in zip(sentences, cutter.spans(sentences), strict=True)),
        prompts={name: cutter.count(text) for name, text in prompts.items()},
        shown=tuple(pieces(prompts[SEGMENTED], cutter.spans([prompts[SEGMENTED]])[0])),
        original=original_scores(cutter),
    )


def _inside(places: Sequence[int], start: int, end: int) -> int:
    """How many of the sorted places lie strictly between two others."""
    return bisect_left(places, end) - bisect_right(places, start)


def _starts(spans: Spans) -> list[int]:
    return sorted({start for start, _ in spans})


def _names(text: str, spans: Spans) -> Names:
    starts = _starts(spans)
    cut = [_inside(starts, *found.span()) for found in _NAMES.finditer(text)]
    return Names(len(cut), sum(cut) + len(cut), cut.count(0))


def _torn(stamp: str, spans: Spans) -> dict[str, bool]:
    starts = _starts(spans)
    return {name: _inside(starts, *span) > 0 for name, span in fields(stamp).items()}


def _grouping(numeral: str, spans: Spans) -> str:
    return "+".join(str(len(piece)) for piece in pieces(numeral, spans))


def _structure(call: Call, spans: Spans) -> float:
    value = [False] * len(call.text)
    for start, end in call.values:
        value[start:end] = [True] * (end - start)
    kept = [(start, end) for start, end in spans if end > start]
    return sum(1 - sum(value[start:end]) / (end - start) for start, end in kept) / len(kept)
