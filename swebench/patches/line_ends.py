"""Lines as Python's parser counts them, and which line end a new line gets: that of the line it stands for.

A file may mix line feeds, carriage returns and both; an edit must change none of the ends that it does not
touch.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_BREAK = re.compile(r"\r\n|\n|\r")


def split_lines(text: str) -> list[str]:
    """The lines of a text with their ends; a form feed or the like ends none."""
    lines: list[str] = _LINE.findall(text)
    return lines


def content(line: str) -> str:
    """A line without its end."""
    return line.rstrip("\r\n")


def joined(new: Sequence[str], old: Sequence[str], before: str = "") -> str:
    """The lines `new`, which have no ends, in place of `old`, which have theirs; neither is empty.

    A line that was there keeps its end, another gets that of the line whose place it takes, or of its
    neighbour; the last one ends as the last of `old` does. Where `old` has no end at all, a new line gets the
    last one of the text `before` it.
    """
    ends = [line[len(content(line)) :] for line in old]
    usual = next(filter(None, ends), "") or ["\n", *_BREAK.findall(before)][-1]
    given = [usual] * len(new)
    matcher = SequenceMatcher(None, [content(line) for line in old], list(new), autojunk=False)
    for _, start, end, first, last in matcher.get_opcodes():
        for step in range(last - first):
            place = min(start + step, end - 1) if start < end else max(start - 1, 0)
            given[first + step] = ends[place] or usual
    given[-1] = ends[-1]
    return "".join(line + end for line, end in zip(new, given, strict=True))


def put_in(source: str, start: int, end: int, text: str) -> str:
    """`text`, which is to take the place of characters start..end of a source, with its line breaks as the
    source has them there."""
    if not _BREAK.search(text):
        return text
    head = re.split(r"[\r\n]", source[:start])[-1]
    tail = (split_lines(source[end:]) or [""])[0]
    old = split_lines(head + source[start:end] + tail)
    if not tail:
        old.append("")  # what follows the last line's end, and is replaced too
    new = _BREAK.split(head + text + content(tail))
    made = joined(new, old, source[:start])
    return made[len(head) : len(made) - len(tail)]
