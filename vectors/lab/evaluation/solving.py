"""Problems answered in every style under every steering, scored item by item, and conditions compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated

from pydantic import Field

from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.lab.evaluation.conditions import Condition
from vectors.lab.evaluation.gsm8k import (
    SHOTS,
    Problem,
    correct,
    flexible,
    originally,
    prompt_ids,
    stops,
    strict,
)
from vectors.measuring.asking import Answer, answers
from vectors.measuring.journal import Journal
from vectors.measuring.measures import degenerate
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.contrasts import Contrast, contrasts, paired_rates
from vectors.statistics.estimates import Estimate, bootstrapped, mean, rate
from vectors.steering.intervention import Steering


@dataclass(frozen=True)
class Cell:
    """What came of one style under one condition.

    `strict` and `flexible` are accuracies by either filter, `original` that by the original's rule;
    `format_gap` is flexible − strict on the same items: right numbers in the wrong form. `ended` is the share
    of answers that came to an end of their own. `items` tells of each item which filter found it solved: 0
    neither, 1 the flexible one, 2 the strict one, 3 both. The answers themselves are no part of its JSON.
    """

    style: str
    condition: Condition
    strict: Estimate
    flexible: Estimate
    original: Estimate
    format_gap: Estimate
    ended: Estimate
    degenerate: Estimate
    tokens: Estimate
    items: str
    answers: Annotated[tuple[Answer, ...], Field(exclude=True)] = field(default=(), repr=False, compare=False)

    @property
    def solved(self) -> list[bool]:
        """Each item, by the flexible filter."""
        return [mark in "13" for mark in self.items]

    @property
    def in_form(self) -> list[bool]:
        """Each item, by the strict filter."""
        return [mark in "23" for mark in self.items]


@dataclass(frozen=True)
class Steered:
    """A steered condition against the unsteered one of its style."""

    style: str
    condition: Condition
    flexible: Contrast
    strict: Contrast


@dataclass(frozen=True)
class Interference:
    """What steering does beside examples minus what it does without: difference of differences by item."""

    style: str
    against: str
    condition: Condition
    difference: Estimate


def solve(
    engine: Engine,
    lm: LanguageModel,
    problems: Sequence[Problem],
    styles: Sequence[str],
    steered: Sequence[tuple[Condition, Steering]],
    examples: Sequence[Problem],
    *,
    tokens: int,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> list[Cell]:
    """Answer each problem in each style under each condition, greedily, with at most so many tokens.

    The conditions of an item stand side by side, so that they share its batches and its prompt's prefix.
    """
    rows = list(product(styles, problems, steered))
    prompts = {
        (style, problem): prompt_ids(lm, style, problem.question, examples)
        for style, problem in product(styles, problems)
    }
    requests = [
        GenerationRequest(prompts[style, problem], steering, Sampling(tokens, stop=stops(style)))
        for style, problem, (_, steering) in rows
    ]
    written = answers(engine, requests, "solving", journal or Journal(), progress)
    found: dict[tuple[str, Condition], list[Answer]] = {}
    for (style, _, (condition, _)), answer in zip(rows, written, strict=True):
        found.setdefault((style, condition), []).append(answer)
    return [_cell(style, condition, problems, own) for (style, condition), own in found.items()]


def against_unsteered(cells: Sequence[Cell]) -> list[Steered]:
    """Each steered cell against its style's first, by McNemar's test; Holm over all of them, by filter."""
    first = {cell.style: cell for cell in reversed(cells)}
    steered = [cell for cell in cells if cell is not first[cell.style]]
    solved = contrasts([(cell.solved, first[cell.style].solved) for cell in steered])
    in_form = contrasts([(cell.in_form, first[cell.style].in_form) for cell in steered])
    return [Steered(c.style, c.condition, a, b) for c, a, b in zip(steered, solved, in_form, strict=True)]


def interference(cells: Sequence[Cell]) -> list[Interference]:
    """Steering beside examples against steering chain of thought, else the plain question, without any.

    The interval is that of a bootstrap over items, each with all four of its answers.
    """
    by_place = {(cell.style, cell.condition): cell for cell in cells}
    unsteered = cells[0].condition
    without = next((style for style in ("cot", "zero-shot") if (style, unsteered) in by_place), None)
    if without is None or len(cells[0].items) < 2:
        return []
    found = []
    for style in (style for style in SHOTS if (style, unsteered) in by_place):
        for condition in dict.fromkeys(cell.condition for cell in cells if cell.condition != unsteered):
            four = [by_place[place].solved for place in product((style, without), (condition, unsteered))]
            values = [float(a) - b - c + d for a, b, c, d in zip(*four, strict=True)]
            found.append(Interference(style, without, condition, bootstrapped(values)))
    return found


def _cell(style: str, condition: Condition, problems: Sequence[Problem], found: Sequence[Answer]) -> Cell:
    both = list(zip(problems, found, strict=True))
    in_form = [correct(strict(style, answer.text), problem.answer) for problem, answer in both]
    solved = [correct(flexible(answer.text), problem.answer) for problem, answer in both]
    plain = [correct(originally(answer.text), problem.answer) for problem, answer in both]
    items = "".join(str(2 * a + b) for a, b in zip(in_form, solved, strict=True))
    n = len(found)
    return Cell(
        style,
        condition,
        strict=rate(sum(in_form), n),
        flexible=rate(sum(solved), n),
        original=rate(sum(plain), n),
        format_gap=paired_rates(solved, in_form),
        ended=rate(sum(answer.ended for answer in found), n),
        degenerate=rate(sum(map(degenerate, found)), n),
        tokens=mean([float(len(answer.token_ids)) for answer in found], at_least=0),
        items=items,
        answers=tuple(found),
    )
