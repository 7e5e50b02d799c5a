"""GSM8K (Cobbe et al. 2021, arXiv 2110.14168): how a problem is asked, and what counts as its answer.

An answer is read by the two filters of lm-evaluation-harness 0.4.13 (tasks gsm8k and gsm8k_cot_zeroshot):
strict wants the form that the prompt asks for, flexible takes the last number. Texts that they compare are
normed alike.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from vectors.models.loading import LanguageModel
from vectors.models.tools import Message

Style = Literal["zero-shot", "cot", "few-shot-3", "few-shot-5"]
STYLES: tuple[Style, ...] = get_args(Style)
SHOTS = {"few-shot-3": 3, "few-shot-5": 5}
ORIGINAL = {"zero-shot": "original zero-shot", "cot": "original cot", "few-shot-3": "original few-shot-3"}
"""The original's three prompts by ours, which ask by a system turn (`--as-original`)."""

NO_ANSWER = "[invalid]"
_HASHES = re.compile(r"#### (\-?[0-9\.\,]+)")
_SENTENCE = re.compile(r"The answer is (\-?[0-9\.\,]+).")
_NUMBER = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED = (",", r"\$", r"(?s).*#### ", r"\.$")
_ENDS = ("</s>", "<|im_end|>")
_STEPS = "Let's think step by step."
_ASKS_HASHES = "Solve the problem. End with a line of its own: #### and the answer as a number."
_ASKS_SENTENCE = 'Solve the problem. End with the sentence "The answer is N.", N being a number.'
_ORIGINALLY = {
    "original zero-shot": "You solve math problems. Give the final number after ####.",
    "original cot": "You solve math problems. Think step by step, and give the final number after ####.",
    "original few-shot-3": "You solve math problems like these. Give the final number after ####.",
}
_SAID = re.compile(r"(?i)answer\s+is\s*:?\s*\$?(-?[\d,]+)")
_WHOLE = re.compile(r"-?\d[\d,]*")


@dataclass(frozen=True)
class Problem:
    """A problem and its worked answer, which ends with #### and the number."""

    question: str
    answer: str


EXAMPLES = (
    Problem(
        "A baker fills 4 trays with 15 rolls each and sells 38 rolls before noon. How many rolls are left?",
        "The baker makes 4 * 15 = <<4*15=60>>60 rolls.\n"
        "After the sales 60 - 38 = <<60-38=22>>22 rolls are left.\n#### 22",
    ),
    Problem(
        "Tom walks 3 kilometers to the lake and cycles back along a path that is twice as long. How many "
        "kilometers does he cover in 5 such trips?",
        "The way back is 2 * 3 = <<2*3=6>>6 kilometers.\nOne trip is 3 + 6 = <<3+6=9>>9 kilometers.\n"
        "Five trips are 5 * 9 = <<5*9=45>>45 kilometers.\n#### 45",
    ),
    Problem(
        "A jacket costs $80. It is sold at 25% off, and a coupon takes off another $10. What is paid for it?",
        "The discount is 80 * 25 / 100 = $<<80*25/100=20>>20.\nThat leaves 80 - 20 = $<<80-20=60>>60.\n"
        "With the coupon it costs 60 - 10 = $<<60-10=50>>50.\n#### 50",
    ),
    Problem(
        "Lena saves $12 a week. She has $30 and wants a bicycle for $150. How many weeks must she save?",
        "She still needs 150 - 30 = $<<150-30=120>>120.\n"
        "That takes 120 / 12 = <<120/12=10>>10 weeks.\n#### 10",
    ),
    Problem(
        "A school has 240 pupils. Three fifths of them take the bus, and a quarter of the others walk. "
        "How many pupils walk?",
        "By bus come 240 * 3 / 5 = <<240*3/5=144>>144 pupils.\n"
        "The others are 240 - 144 = <<240-144=96>>96.\nOf those 96 / 4 = <<96/4=24>>24 walk.\n#### 24",
    ),
)
"""Worked examples of our own in the data's form, where no others are given."""


def prompt_ids(lm: LanguageModel, style: str, question: str, examples: Sequence[Problem]) -> tuple[int, ...]:
    """The prompt's tokens: turns where there is a chat template, else plain text as the harness writes it."""
    shown = examples[: SHOTS.get(style.removeprefix("original "), 0)]
    if style in _ORIGINALLY:
        return _original(lm, style, question, shown)
    asks = {"zero-shot": _ASKS_HASHES, "cot": _ASKS_SENTENCE}.get(style, "")
    if in_turns(lm):
        turns: list[Message] = []
        for each in shown:
            turns += _turn("user", f"Question: {each.question}\nAnswer:"), _turn("assistant", each.answer)
        asked = f"{asks}\n\n{question}" if asks else f"Question: {question}\nAnswer:"
        return lm.chat_ids([*turns, _turn("user", asked)], _STEPS if style == "cot" else "")
    text = "".join(f"Question: {each.question}\nAnswer: {each.answer}\n\n" for each in shown)
    text += f"{asks}\n\n" if asks else ""
    text += f"Q: {question}\nA: {_STEPS}" if style == "cot" else f"Question: {question}\nAnswer:"
    return tuple(lm.encode(text, begins=True))


def in_turns(lm: LanguageModel) -> bool:
    """Whether the model is asked in its chat template."""
    return bool(lm.tokenizer.chat_template)


def stops(style: str) -> tuple[str, ...]:
    """What ends an answer: the next question, as in the harness."""
    return ("Q:" if style == "cot" else "Question:", *_ENDS)


def strict(style: str, text: str) -> str:
    """The answer in the form that was asked for; NO_ANSWER where there is none."""
    found = (_SENTENCE if style == "cot" else _HASHES).findall(text)
    return str(found[0]).strip() if found else NO_ANSWER


def flexible(text: str) -> str:
    """The last number, with what stands against it of $ , and .; NO_ANSWER where there is none."""
    found = _NUMBER.findall(text)
    return next(part for part in found[-1] if part).strip() if found else NO_ANSWER


def originally(text: str) -> str:
    """The original's rule: the whole number after ####, else after "answer is", else the last in the text."""
    for pattern in (re.compile(r"####\s*\$?(-?\d[\d,]*)"), _SAID):
        if found := pattern.search(text):
            return found[1]
    every: list[str] = _WHOLE.findall(text)
    return every[-1] if every else NO_ANSWER


def correct(extracted: str, answer: str) -> bool:
    """Whether what was extracted is the worked answer's number: equal texts once both are normed."""
    return _normed(extracted) == _normed(answer)


def _normed(text: str) -> str:
    for ignored in _IGNORED:
        text = re.sub(ignored, "", text)
    return text.lower()


def _original(lm: LanguageModel, style: str, question: str, shown: Sequence[Problem]) -> tuple[int, ...]:
    worked = (f"Problem: {each.question}\nSolution: {each.answer}" for each in shown)
    system = "\n\n".join([_ORIGINALLY[style], *worked])
    if in_turns(lm):
        return lm.chat_ids([_turn("system", system), _turn("user", question)])
    return tuple(lm.encode(f"{system}\n\nQuestion: {question}\nAnswer:", begins=True))


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}
