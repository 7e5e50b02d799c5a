"""Parts an issue into its fenced blocks and the text between them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 50_000
"""Of an issue, that are read: its code travels as one argument of a command."""
_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[^`]*)")
_TO_SEE = str.maketrans({"\u00a0": " ", "\u200b": None, "\ufeff": None})
"""Blanks that Python refuses, and marks that no one sees: both come with copied text."""


@dataclass(frozen=True)
class Passage:
    """Lines without their ends; `language` is that of the fence around them, empty where it names none, and
    None where there is no fence."""

    language: str | None
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one text that ends in a line end."""
        return "\n".join(self.lines) + "\n"


def passages_of(issue: str) -> list[Passage]:
    """The passages of an issue, in its order; a fence that is never closed is text.

    Line ends of any kind count, and tabs are blanks up to the next fourth column outside of fences.
    """
    lines = re.split(r"\r\n|\r|\n", issue[:MAX_CHARACTERS].translate(_TO_SEE))
    return list(_passages(lines))


def _passages(lines: list[str]) -> Iterator[Passage]:
    start = number = 0
    while number < len(lines):
        opening = _FENCE.fullmatch(lines[number])
        end = opening and _closing(lines, number, opening["mark"])
        if opening and end:
            yield _text(lines[start:number])
            yield Passage(_language(opening["language"]), tuple(lines[number + 1 : end]))
            start = number = end + 1
        else:
            number += 1
    yield _text(lines[start:])


def _text(lines: list[str]) -> Passage:
    return Passage(None, tuple(line.expandtabs(4) for line in lines))


def _language(information: str) -> str:
    """The first word of what stands beside a fence, without the marks of a directive or of attributes."""
    words = re.split(r"[\s,]+", information.strip().lower())
    return words[0].strip("{}.")


def _closing(lines: list[str], opening: int, mark: str) -> int | None:
    for number in range(opening + 1, len(lines)):
        line = lines[number].strip()
        if line.startswith(mark) and not line.strip(mark[0]):
            return number
    return None
