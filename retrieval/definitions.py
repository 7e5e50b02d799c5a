"""Finds the functions, methods and classes of a Python file with their lines.

A file is read by indentation over its logical lines, as Python's tokenizer parts them: strings, brackets and
backslashes join lines. So Python 2 and what a newer Python writes are read like today's, at a fraction of
what the parser takes, to which tests hold the result. Where quotes or brackets do not close (templates),
every line is one of its own.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LINE_END = re.compile(r"\r\n|\r|\n")
_NEW_LINE = re.compile(r"\n")
_NO_CODE = re.compile(
    r"#[^\n]*"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|(?!""")"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|(?!''')'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r"|[\"']",
    re.DOTALL,
)
_LINE = re.compile(
    r"^([ \t\f]*)(?=\S)(?:(@)|(?:async[ \t]+)?(def|class)([ \t]+))?(?:[^\n]*\S)?", re.MULTILINE
)
_NAME = re.compile(r"[^\W\d]\w*")
_DEPTH = np.zeros(256, dtype=np.int32)
_DEPTH[[*b"([{"]], _DEPTH[[*b")]}"]] = 1, -1


@dataclass(frozen=True)
class Definition:
    """Lines of a text: this room's one type for them, whose file is known where it is read (`DefinitionHit`).

    `name` is qualified (Class.method); `kind` is function, method or class; lines are 1-based, inclusive, and
    begin at the first decorator. A function inside a function is part of the outer one.
    """

    name: str
    kind: str
    start_line: int
    end_line: int

    def __contains__(self, line: int) -> bool:
        return self.start_line <= line <= self.end_line


def lines_of(text: str) -> list[str]:
    """The lines as Python and git count them: str.splitlines() also breaks at form feeds and the like."""
    lines = _LINE_END.split(text)
    return lines[:-1] if lines[-1] == "" else lines


def line_starts(text: str) -> NDArray[np.int64]:
    """Where each line begins [n lines + 1 after a line end], as `lines_of` counts them."""
    ends = [end.end() for end in (_LINE_END if "\r" in text else _NEW_LINE).finditer(text)]
    return np.array([0, *ends], dtype=np.int64)


def find_definitions(text: str) -> list[Definition]:
    """The definitions of a file by first line; an outer one comes before its inner ones."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    found = list(_scan(text, _code_of(text) or text))
    return sorted(found, key=lambda definition: (definition.start_line, -definition.end_line))


def _code_of(text: str) -> str:
    """The text with a line for each logical line, and every character in its place: blanked out are strings,
    comments, what is not ASCII, and line ends that end no statement. Empty where something does not close."""
    blanked = bytearray(_NO_CODE.sub(_blank, text), "ascii", "replace")
    code = np.frombuffer(blanked, dtype=np.uint8)
    depth = np.cumsum(_DEPTH[code])
    if b"\0" in blanked or (code.size and (depth[-1] != 0 or depth.min() < 0)):
        return ""
    ends = np.flatnonzero(code == ord("\n"))
    continued = (ends > 0) & (code[ends - 1] == ord("\\"))
    code[ends[continued] - 1] = ord(" ")
    code[ends[continued | (depth[ends] > 0)]] = ord(" ")
    return blanked.decode()


def _blank(found: re.Match[str]) -> str:
    """As many characters that are neither code nor line ends; NUL for a quote that is never closed."""
    text = found[0]
    if text[0] == "#":
        return " " * len(text)
    return "x" * len(text) if len(text) > 1 else "\0"


def _scan(text: str, code: str) -> Iterator[Definition]:
    starts = line_starts(text).tolist()
    open_blocks: list[tuple[int, str, str, int]] = []  # indent, kind, name, first line
    decorated: int | None = None
    last = 0  # where the last line's text ends
    for line in _LINE.finditer(code):
        space, decorator, kind, _ = line.groups()
        start = line.end(1)
        if code[start] in "#)]}":  # where lines are the text's own
            continue
        indent = len(space.rpartition("\f")[2].expandtabs()) if space else 0
        while open_blocks and indent <= open_blocks[-1][0]:
            yield _closed(open_blocks, bisect_right(starts, last - 1))
        if decorator or kind:
            first = decorated or bisect_right(starts, start)
            if kind and (name := _NAME.match(text, line.end(4))) and not _in_function(open_blocks):
                open_blocks.append((indent, kind, unicodedata.normalize("NFKC", name[0]), first))
            decorated = first if decorator else None
        else:
            decorated = None
        last = line.end()
    while open_blocks:
        yield _closed(open_blocks, bisect_right(starts, last - 1))


def _in_function(open_blocks: list[tuple[int, str, str, int]]) -> bool:
    return bool(open_blocks) and open_blocks[-1][1] == "def"


def _closed(open_blocks: list[tuple[int, str, str, int]], end: int) -> Definition:
    name = ".".join(block[2] for block in open_blocks)
    _, kind, _, start = open_blocks.pop()
    if kind == "def":
        kind = "method" if open_blocks else "function"
    return Definition(name, kind, start, max(start, end))
