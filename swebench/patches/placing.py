"""Code that a model wrote, moved to where it belongs: the region's indentation, and every line that was there
as it was.

The model sees a region moved to the left margin, and mostly gives it back so. A line of its answer that is
one of the region's stays byte for byte; of the others code is moved, and the text of a string only where the
text around it was.
"""

import io
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from swebench.patches.line_ends import content

_INDENT = re.compile(r"[ \t]*")


def placed(code: Sequence[str], old: Sequence[str], python: bool) -> list[list[str]]:
    """The code (lines without ends) in place of the lines `old`, in the two ways a model may have meant its
    indentation: all lines moved as the first one is, or (the first line alone lost its own) only that one.

    The way that keeps more of the region's lines as they are comes first.
    """
    there = [content(line) for line in old]
    edge = next((margin(line) for line in there if line.strip()), "")
    shown = [line.removeprefix(edge) for line in there]
    moved = _moved(dedented(code), shown, there, edge, python)
    ways = [moved, [moved[0], *code[1:]]]
    present = set(there)
    return sorted(ways, key=lambda lines: -sum(line in present for line in lines))


def margin(line: str) -> str:
    """The blanks that a line begins with."""
    found = _INDENT.match(line)
    return found.group() if found else ""


def dedented(lines: Sequence[str]) -> list[str]:
    """Lines moved to the left as far as the first of them is indented."""
    edge = margin(lines[0])
    return [line.removeprefix(edge) for line in lines]


@dataclass(frozen=True)
class _Kinds:
    """Of lines of Python, numbered from 0: `strings` maps one that begins inside a string to the line where
    that begins, `continued` one that goes on with a statement to the line where that begins."""

    strings: Mapping[int, int]
    continued: Mapping[int, int]


def _kinds(lines: Sequence[str], python: bool) -> _Kinds:
    strings: dict[int, int] = {}
    continued: dict[int, int] = {}
    opened: list[int] = []
    begun = None
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline) if python else ():
            name, first, last = tokenize.tok_name[token.type], token.start[0] - 1, token.end[0] - 1
            if name in {"NEWLINE", "ENDMARKER"}:
                begun = None
                continue
            if name in {"INDENT", "DEDENT", "NL", "COMMENT"}:
                continue
            begun = first if begun is None else begun
            continued.update(dict.fromkeys(range(begun + 1, last + 1), begun))
            if name == "STRING" or name.endswith("STRING_START"):
                opened.append(first)
            if name == "STRING" or name.endswith("STRING_END"):
                start = opened.pop()
                strings.update(dict.fromkeys(range(start + 1, last + 1), start))
    except (tokenize.TokenError, SyntaxError):
        pass  # what breaks off is told by what came before
    return _Kinds(strings, continued)


def _in_kind(lines: Sequence[str], there: Sequence[str], edge: str, python: bool) -> list[str]:
    """Tabs for spaces where the region is indented by tabs, spaces for tabs where it is not; a line that goes
    on with a statement, as far as that is indented; the text of strings not at all."""
    old, kinds = _kinds(dedented(there), python), _kinds(lines, python)
    code = [line for number, line in enumerate(there) if number not in old.strings]
    tabs = "\t" in edge or (not edge and any(line.startswith("\t") for line in code))
    begins = [n for n in range(len(lines)) if n not in kinds.continued and n not in kinds.strings]
    margins = {n: margin(lines[n]) for n in begins if lines[n].strip()}
    width = min((len(each) for each in margins.values() if each and "\t" not in each), default=4)

    def converted(number: int, line: str) -> str:
        blanks = margins.get(kinds.continued.get(number, number), margin(line))
        if number in kinds.strings or not line.startswith(blanks):
            return line
        if not tabs:
            return blanks.replace("\t", " " * 4) + line[len(blanks) :]
        wide = len(blanks.replace("\t", " " * width))
        return "\t" * (wide // width) + " " * (wide % width) + line[len(blanks) :]

    return [converted(number, line) for number, line in enumerate(lines)]


def _moved(
    code: Sequence[str], shown: Sequence[str], there: Sequence[str], edge: str, python: bool
) -> list[str]:
    lines = _in_kind(code, there, edge, python)
    # A model leaves blanks at the end of a line out, without meaning a change.
    known = {line.rstrip(): line for line in reversed(shown)} | {line: line for line in shown}
    asked = [known.get(given) or known.get(line, line) for given, line in zip(code, lines, strict=True)]
    same: dict[int, int] = {}
    for first, start, length in SequenceMatcher(None, shown, asked, autojunk=False).get_matching_blocks():
        same.update({start + step: first + step for step in range(length)})
    kinds = _kinds(lines, python)

    def moves(start: int) -> bool:
        """Whether the lines of the string that begins in line `start` are indented with the code around it:
        as those of them are that were there, or where none was, if none stands left of the statement."""
        own = [n for n, begin in kinds.strings.items() if begin == start and lines[n].strip()]
        if there_too := [same[n] for n in own if n in same]:
            return shown[there_too[0]] != there[there_too[0]]
        left = len(margin(code[kinds.continued.get(start, start)]).expandtabs())
        return all(len(margin(code[n]).expandtabs()) >= left for n in own)

    def at_home(number: int, line: str) -> str:
        if number in same:
            return there[same[number]]
        stays = not line.strip() or (number in kinds.strings and not moves(kinds.strings[number]))
        return line if stays else edge + line

    return [at_home(number, line) for number, line in enumerate(lines)]
