"""A model's replacement for a bounded region → the new text of the file.

Small models cannot write diffs but can rewrite a block. What they get wrong is repaired here (fences, prose
around the code, indentation, line ends) and what cannot become a patch is rejected with the reason.
"""

import re
from dataclasses import dataclass
from typing import Literal

from swebench.errors import SwebenchError
from swebench.patches.gate import encodable
from swebench.patches.line_ends import joined, split_lines
from swebench.patches.placing import dedented, placed
from swebench.patches.source import file_fault, is_python, same_code, syntax_fault

Reason = Literal["outside_file", "empty", "truncated", "does_not_parse", "not_encodable", "no_op"]

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
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
    spaces as the region has them, relative indentation kept). Lines that the replacement repeats stay byte
    for byte, and line ends and the final newline as they are in the file. Raises EditRejected: outside_file,
    empty, truncated or does_not_parse (a Python file that compiled would no longer), not_encodable (its
    encoding lacks a character), no_op (equal syntax trees; for other files equal but for white space).
    """
    lines = split_lines(before)
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
    versions = [head + joined(new, old, head) + tail for new in placed(code, old, python)]
    if python and not any(encodable(before, version) for version in versions):
        raise EditRejected(
            "not_encodable", f"{region.path}: its encoding lacks a character of the replacement"
        )
    if not python or file_fault(before):
        after = versions[0]
    else:
        after = next((version for version in versions if not file_fault(version)), "")
        if not after:
            _reject_unparsable(region.path, versions[0], code)
    if same_code(before, after) if python else before.split() == after.split():
        raise EditRejected("no_op", f"{region.path}: the replacement changes nothing")
    return after


def _reject_unparsable(path: str, text: str, code: list[str]) -> None:
    fault = syntax_fault("\n".join(dedented(code)))
    if fault and (_CUT_OFF.search(fault.msg) or (fault.lineno or 0) >= len(code)):
        raise EditRejected("truncated", f"{path}: the replacement breaks off: {fault.msg}")
    fault = file_fault(text)
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
            if lines and not _is_prose(lines) and not syntax_fault("\n".join(dedented(lines))):
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
