"""Multiple choice under every steering: likelihoods of the letters, and written answers, question by
question.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.conditions import Condition
from vectors.lab.evaluation.mmlu_pro import (
    LETTERS,
    STOPS,
    Question,
    Worked,
    choice_ids,
    chosen,
    letter_ids,
    reasoning_ids,
)
from vectors.measuring.asking import answers, asked
from vectors.measuring.journal import Journal
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.steering.intervention import Steering

QUESTIONS = 16
"""Questions of a unit, under all conditions and rotations."""

Steered = Sequence[tuple[Condition, Steering]]


@dataclass(frozen=True)
class Likelihoods:
    """Log-likelihoods in nats of the letters as they were shown, [questions][rotations][options].

    A letter's is that of its tokens with and without a space before it, together.
    """

    condition: Condition
    nats: tuple[tuple[tuple[float, ...], ...], ...]

    def by_letter(self) -> list[int]:
        """The option chosen of each question as it stands in the data, by the likeliest letter."""
        return [max(range(len(shown[0])), key=shown[0].__getitem__) for shown in self.nats]

    def by_rotations(self) -> list[int]:
        """The option chosen by its probability among the letters, averaged over all rotations.

        Cyclic permutation, as in Zheng et al. 2023 (arXiv 2309.03882): over a whole cycle each option has
        stood at each letter once, and a preference for letters cancels out.
        """
        found = []
        for shown in self.nats:
            total = [0.0] * len(shown[0])
            for shift, row in zip(shifts(len(total), len(shown)), shown, strict=True):
                most = max(row)
                weights = [math.exp(each - most) for each in row]
                for place, weight in enumerate(weights):
                    total[(place + shift) % len(total)] += weight / sum(weights)
            found.append(max(range(len(total)), key=total.__getitem__))
        return found


def shifts(options: int, rotations: int) -> list[int]:
    """By how much options are rotated: evenly over the cycle, the first time not at all."""
    return [number * options // rotations for number in range(rotations)]


def weigh(
    engine: Engine,
    lm: LanguageModel,
    questions: Sequence[Question],
    steered: Steered,
    *,
    rotations: int = 1,
    journal: Journal,
    progress: Progress = silent,
) -> list[Likelihoods]:
    """Ask each question for a letter under each condition, with its options rotated `rotations` times.

    A question of fewer options than that is rotated once for each. Raises UnfitAnalysis for a model without
    tokens for letters, and for a question that is too long for it.
    """
    letters = letter_ids(lm)
    forms = [token for each in letters for token in each]
    owners = [place for place, each in enumerate(letters) for _ in each]

    def weighed(part: Sequence[tuple[int, Question]]) -> list[list[list[list[float]]]]:
        """[conditions][questions][rotations][options]"""
        rows = [
            (len(each.options), _fitting(lm, number, choice_ids(lm, each.rotated(shift)), 1))
            for number, each in part
            for shift in shifts(len(each.options), min(rotations, len(each.options)))
        ]
        made = iter(
            asked(
                engine,
                [
                    GenerationRequest(prompt, steering, Sampling(1), alternatives={0: tuple(forms)})
                    for _, steering in steered
                    for _, prompt in rows
                ],
            )
        )
        found = []
        for _ in steered:
            own = iter([_letters(next(made).alternatives[0], owners)[:options] for options, _ in rows])
            found.append([[next(own) for _ in range(min(rotations, len(e.options)))] for _, e in part])
        return found

    numbered = list(enumerate(questions))
    makes = [partial(weighed, numbered[first : first + QUESTIONS]) for first in _firsts(questions)]
    units = journal.each("weighing options", makes, progress)
    return [
        Likelihoods(
            condition,
            tuple(tuple(tuple(row) for row in shown) for unit in units for shown in unit[place]),
        )
        for place, (condition, _) in enumerate(steered)
    ]


def write(
    engine: Engine,
    lm: LanguageModel,
    questions: Sequence[Question],
    steered: Steered,
    worked: Sequence[Sequence[Worked]] = (),
    *,
    tokens: int,
    journal: Journal,
    progress: Progress = silent,
) -> list[list[str]]:
    """The letter that each answer says, greedily written with at most so many tokens;
    [conditions][questions].

    `worked` are the examples that stand before each question.
    """
    examples = worked or [()] * len(questions)
    prompts = [
        _fitting(lm, number, reasoning_ids(lm, each, shown), tokens)
        for number, (each, shown) in enumerate(zip(questions, examples, strict=True))
    ]
    requests = [
        GenerationRequest(prompt, steering, Sampling(tokens, stop=STOPS))
        for prompt, (_, steering) in product(prompts, steered)
    ]
    said = [chosen(answer.text) for answer in answers(engine, requests, "answering", journal, progress)]
    return [said[place :: len(steered)] for place in range(len(steered))]


def units_of_choices(questions: int) -> int:
    """In how many units so many questions are weighed."""
    return -(-questions // QUESTIONS)


def _firsts(questions: Sequence[Question]) -> range:
    return range(0, len(questions), QUESTIONS)


def _letters(scores: Sequence[float], owners: Sequence[int]) -> list[float]:
    """What the forms of each letter have together, in nats."""
    total = [0.0] * len(LETTERS)
    for score, owner in zip(scores, owners, strict=True):
        total[owner] += math.exp(score)
    return [round(math.log(each), 5) if each > 0 else -1e9 for each in total]


def _fitting(lm: LanguageModel, number: int, prompt: tuple[int, ...], tokens: int) -> tuple[int, ...]:
    if len(prompt) + tokens > lm.context_length:
        raise UnfitAnalysis(
            f"question {number + 1} has {len(prompt)} tokens: with {tokens} new ones that is more than the "
            f"{lm.context_length} of {lm.model_id}"
        )
    return prompt
