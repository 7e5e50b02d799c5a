"""A model's replacement for a bounded region → the new text of the file.

Small models cannot write diffs but can rewrite a block. What they get wrong is repaired here (fences, prose
around the code, indentation, line ends) and what cannot become a patch is rejected with the reason.
"""

import io
import re
import tokenize
from dataclasses import dataclass
from typing import Literal

from swebench.errors import SwebenchError
from swebench.patches.source import is_python, same_code, syntax_fault

Reason = Literal["outside_file", "empty", "truncated", "does_not_parse", "no_op"]

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
_INDENT = re.compile(r"[ \t]*")
_PROSE = re.compile(r"[A-Z][\w'’]*(?:[,:!.]?(?: [^\s=()\[\]]+)+|[!.:]$)")
_CUT_OFF = re.compile(r"never closed|unexpected EOF|unterminated triple-quoted|EOF in multi-line")


class EditRejected(SwebenchError, ValueError):
    """A replacement that cannot become a patch; `reason` says why in one word."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Region:
    """Lines start_line..end_line (1-based, inclusive) of a file, counted as Python's parser counts lines."""

    path: str
    start_line: int
    end_line: int

    def __contains__(self, line: int) -> bool:
        return self.start_line <= line <= self.end_line


def apply_replacement(before: str, region: Region, replacement: str) -> str:
    """The text of the file with the region replaced.

    Code fences and prose around the code are dropped. The code is moved to the region's indentation (tabs or
    spaces as the region has them, relative indentation kept), and line ends and the final newline stay as
    they are in the file. Raises EditRejected: outside_file, empty, truncated or does_not_parse (a Python file
    that parsed would no longer), no_op (equal syntax trees; for other files equal but for white space).
    """
    lines = _LINE.findall(before)
    if not 1 <= region.start_line <= region.end_line <= len(lines):
        raise EditRejected(
            "outside_file",
            f"{region.path} has {len(lines)} lines: {region.start_line}–{region.end_line} is no region of it",
        )
    old = lines[region.start_line - 1 : region.end_line]
    python = is_python(region.path)
    code = _code(replacement, python)
    if not code:
        raise EditRejected("empty", f"{region.path}: the replacement holds no code")
    head, tail = "".join(lines[: region.start_line - 1]), "".join(lines[region.end_line :])
    versions = [head + _with_line_ends(new, old) + tail for new in _placed(code, old)]
    if not python or syntax_fault(before):
        after = versions[0]
    else:
        after = next((version for version in versions if not syntax_fault(version)), "")
        if not after:
            _reject_unparsable(region.path, versions[0], code)
    if same_code(before, after) if python else before.split() == after.split():
        raise EditRejected("no_op", f"{region.path}: the replacement changes nothing")
    return after


def _reject_unparsable(path: str, text: str, code: list[str]) -> None:
    fault = syntax_fault("\n".join(_dedented(code)))
    if fault and (_CUT_OFF.search(fault.msg) or (fault.lineno or 0) >= len(code)):
        raise EditRejected("truncated", f"{path}: the replacement breaks off: {fault.msg}")
    fault = syntax_fault(text)
    raise EditRejected(
        "does_not_parse", f"{path}: the file would no longer parse: {fault.msg if fault else ''}"
    )


def _code(replacement: str, python: bool) -> list[str]:
    """The lines of code of an answer, without fences, prose around them, and blank lines at both ends."""
    text = replacement.replace("\r\n", "\n").replace("\r", "\n")
    parts = [_stripped(part.split("\n")) for part in _FENCE.split(text)]
    if not python:
        return next((part for part in parts[1:] if part), parts[0])
    # With or without an opening fence, before or after an explanation: the code is the part that parses. The
    # whole comes first, for code that holds a fence in a string.
    for part in (_stripped(text.split("\n")), *parts):
        for lines in (part, _without_prose(part)):
            if lines and not _is_prose(lines) and not syntax_fault("\n".join(_dedented(lines))):
                return lines
    return _without_prose(next((part for part in parts[1:] if part), parts[0]))


def _without_prose(lines: list[str]) -> list[str]:
    paragraphs = [paragraph.split("\n") for paragraph in "\n".join(lines).split("\n\n")]
    while paragraphs and _is_prose(paragraphs[0]):
        # "Here is the code:" may stand right above the code.
        paragraphs[0] = paragraphs[0][1:] if paragraphs[0][0].endswith(":") else []
        if not paragraphs[0]:
            del paragraphs[0]
    while paragraphs and _is_prose(paragraphs[-1]):
        del paragraphs[-1]
    return _stripped("\n\n".join("\n".join(paragraph) for paragraph in paragraphs).split("\n"))


def _is_prose(lines: list[str]) -> bool:
    """Whether these lines are a sentence: a capital word at the left margin, and words after it."""
    return bool(lines) and bool(_PROSE.match(lines[0])) and bool(syntax_fault("\n".join(lines)))


def _stripped(lines: list[str]) -> list[str]:
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _margin(line: str) -> str:
    found = _INDENT.match(line)
    return found.group() if found else ""


def _dedented(lines: list[str]) -> list[str]:
    margin = _margin(lines[0])
    return [line.removeprefix(margin) for line in lines]


def _placed(code: list[str], old: list[str]) -> list[list[str]]:
    """The code at the region's indentation, in the two ways a model may have meant its own: all lines moved
    as the first one is, or (the first line alone lost its indentation) only that one moved.

    The way that keeps more of the region's lines as they are comes first.
    """
    margin = next((_margin(line) for line in old if line.strip()), "")
    relative = _same_kind_of_indent(_dedented(code), old)
    present = {line.rstrip("\r\n") for line in old}
    kept = _text_lines(relative, present, margin)
    moved = [
        line if number in kept or not line.strip() else margin + line for number, line in enumerate(relative)
    ]
    ways = [moved, [margin + relative[0], *code[1:]]]
    return sorted(ways, key=lambda lines: -sum(line in present for line in lines))


def _same_kind_of_indent(lines: list[str], old: list[str]) -> list[str]:
    """Tabs for spaces where the region is indented by tabs, spaces for tabs where it is not."""
    tabs = any(line.startswith("\t") for line in old)
    widths = [
        len(margin) for line in lines if line.strip() and (margin := _margin(line)) and "\t" not in margin
    ]
    width = min(widths, default=4)
    result = []
    for line in lines:
        margin = _margin(line)
        if tabs:
            spaces = margin.replace("\t", " " * width)
            new = "\t" * (len(spaces) // width) + " " * (len(spaces) % width)
        else:
            new = margin.replace("\t", " " * 4)
        result.append(new + line[len(margin) :])
    return result


def _text_lines(lines: list[str], old: set[str], margin: str) -> set[int]:
    """Which lines inside a string of several lines stand in the region as they are, and so must not move."""
    inside: set[int] = set()
    start = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
            if tokenize.tok_name[token.type] == "FSTRING_START":
                start = token.start[0]
            elif tokenize.tok_name[token.type] == "FSTRING_END":
                inside.update(range(start, token.end[0]))
            elif token.type == tokenize.STRING:
                inside.update(range(token.start[0], token.end[0]))
    except (tokenize.TokenError, SyntaxError):
        return set()
    return {number for number in inside if lines[number] in old and margin + lines[number] not in old}


def _with_line_ends(lines: list[str], old: list[str]) -> str:
    end = re.search(r"[\r\n]*$", old[0])
    newline = (end.group() if end else "") or "\n"
    last = newline if old[-1].endswith(("\n", "\r")) else ""
    return newline.join(lines) + last
