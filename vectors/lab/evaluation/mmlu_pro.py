"""MMLU-Pro (Wang et al. 2024, arXiv 2406.01574): how a question is put, and what counts as a choice.

Generated answers are read by the filter of lm-evaluation-harness 0.4.13 (task mmlu_pro). For likelihoods the
model is asked for one letter: all options are one place of one pass, so nothing is gained by asking for each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vectors.errors import UnfitAnalysis
from vectors.models.loading import LanguageModel
from vectors.models.tools import Message

LETTERS = "ABCDEFGHIJ"
STOPS = ("Question:",)
_SAID = re.compile(r"answer is \(?([ABCDEFGHIJ])\)?")
_STEPS = "Let's think step by step."
_ANSWER = "Answer:"


@dataclass(frozen=True)
class Question:
    """A question of a domain, its options in order, and the number of the right one."""

    domain: str
    question: str
    options: tuple[str, ...]
    answer: int

    def rotated(self, by: int) -> "Question":
        """The same with its options moved up by so many places, those at the front to the end."""
        options = (*self.options[by:], *self.options[:by])
        return Question(self.domain, self.question, options, (self.answer - by) % len(options))


@dataclass(frozen=True)
class Worked:
    """A question with a worked answer, which ends with "the answer is (X)"."""

    question: Question
    answer: str


def choice_ids(lm: LanguageModel, asked: Question) -> tuple[int, ...]:
    """The prompt's tokens up to the place of the letter."""
    task = f"A multiple choice question about {asked.domain}. Answer with the letter of the right option."
    if lm.tokenizer.chat_template:
        return lm.chat_ids([_turn("user", f"{task}\n\n{_listed(asked)}")], _ANSWER)
    return tuple(lm.encode(f"{task}\n\n{_listed(asked)}{_ANSWER}", begins=True))


def letter_ids(lm: LanguageModel) -> list[tuple[int, ...]]:
    """The tokens that say each letter, with a space before it and without; raises UnfitAnalysis without any.

    Which of the two a model writes after "Answer:" depends on its tokenizer and its training, so both count.
    """
    found = []
    for letter in LETTERS:
        both = [lm.encode(text, begins=False) for text in (f" {letter}", letter)]
        single = tuple(dict.fromkeys(ids[0] for ids in both if len(ids) == 1))
        if not single:
            raise UnfitAnalysis(
                f"{lm.model_id} has no token for the letter {letter}: use --scoring generation"
            )
        found.append(single)
    return found


def reasoning_ids(lm: LanguageModel, asked: Question, worked: Sequence[Worked] = ()) -> tuple[int, ...]:
    """The prompt's tokens for an answer that thinks step by step and ends with the letter."""
    task = (
        f"Multiple choice questions about {asked.domain}. Think step by step, and end your answer with "
        '"the answer is (X)", X being the letter of the right option.'
    )
    if lm.tokenizer.chat_template:
        turns: list[Message] = []
        for each in worked:
            turns += _turn("user", _listed(each.question)), _turn("assistant", f"{_STEPS} {each.answer}")
        turns.append(_turn("user", _listed(asked)))
        first, *others = turns
        return lm.chat_ids([_turn("user", f"{task}\n\n{first['content']}"), *others], _STEPS)
    shown = "".join(f"{_listed(each.question)}{_ANSWER} {_STEPS} {each.answer}\n\n" for each in worked)
    return tuple(lm.encode(f"{task}\n\n{shown}{_listed(asked)}{_ANSWER} {_STEPS}", begins=True))


def chosen(text: str) -> str:
    """The letter of a written answer, the first that is said; empty where none is."""
    found = _SAID.search(text)
    return found[1] if found else ""


def in_turns(lm: LanguageModel) -> bool:
    """Whether the model is asked in its chat template."""
    return bool(lm.tokenizer.chat_template)


def _listed(asked: Question) -> str:
    lines = (f"{letter}. {option.strip()}\n" for letter, option in zip(LETTERS, asked.options, strict=False))
    return f"Question:\n{asked.question}\nOptions:\n{''.join(lines)}"


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}
