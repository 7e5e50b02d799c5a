"""Reads the code that an issue shows: sessions, scripts, statements in its text, and calls in backticks."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from swebench.patches.source import parse, syntax_fault
from swebench.running.loose_statements import dedented, is_expression, one_by_one, statement
from swebench.running.passages import Passage, passages_of

MAX_CELLS = 40
_PYTHON = {"", "python", "python3", "py", "pycon", "python-repl", "ipython", "ipython3"}
_CALLS = re.compile(r"(?<!`)`([A-Za-z_][\w.]*\([^`\n]{0,200}\))`(?!`)")
_PROMPT = re.compile(r"[ \t]*(?:>[ \t]+)?(?:>>>|In ?\[\d+\]:)(?: |$)")
_MORE = re.compile(r"[ \t]*(?:>[ \t]+)?(?:\.{3}|\.{2,}:)(?: |$)")
_PASSED_OVER = re.compile(r'Traceback \(most recent|[ \t]*File ".*", line \d+|diff --git |@@ |--- a/|Out\[')
_MOST_OPEN_LINES = 60


@dataclass(frozen=True)
class Cell:
    """A piece of code: a statement as in a session ("single") or a script ("exec").

    It is the issue's own ("shown"), or one that was added: a "setup" shows nothing, a "test" fails where the
    fault is, and of a "report" each line may be what the issue speaks of.
    """

    kind: Literal["single", "exec"]
    source: str
    role: Literal["shown", "setup", "test", "report"] = "shown"


def cells_of(issue: str) -> list[Cell]:
    """The sessions, scripts, statements and calls that an issue shows, in its order.

    A bare expression between sentences counts only where there are statements too.
    """
    found: list[tuple[Cell, bool]] = []
    for passage in passages_of(issue):
        if passage.language is None:
            found += _in_text(passage.lines)
        else:
            found += _in_fence(passage)
    any_code = any(sure for _, sure in found)
    return [cell for cell, sure in found if sure or any_code][:MAX_CELLS]


def _in_fence(passage: Passage) -> Iterator[tuple[Cell, bool]]:
    if any(map(_PROMPT.match, passage.lines)):
        yield from _in_text(passage.lines)
    elif passage.language in _PYTHON and any(line.strip() for line in passage.lines):
        first = next(number for number, line in enumerate(passage.lines) if line.strip())
        script = dedented(passage.lines[first:])
        if syntax_fault(script):
            yield from _in_text([line.expandtabs(4) for line in passage.lines])
        elif _does_something(script):
            yield Cell("exec", script), True


def _in_text(lines: Sequence[str]) -> Iterator[tuple[Cell, bool]]:
    """The cells of lines, each with whether it is surely code."""
    number = 0
    while number < len(lines):
        if _PROMPT.match(lines[number]):
            sources, number = _session(lines, number)
            yield from ((Cell("single", source), True) for source in sources)
        elif _PASSED_OVER.match(lines[number]):
            number = _next_blank(lines, number)
        else:
            after, source = statement(lines, number)
            if source:
                yield Cell("single", source), not is_expression(source)
            else:
                for call in _CALLS.findall("\n".join(lines[number:after])):
                    if not syntax_fault(call):
                        yield Cell("single", call + "\n"), True
            number = after


def _session(lines: Sequence[str], start: int) -> tuple[list[str], int]:
    """The statements of an example, and the line after its output, which ends at a blank line or a prompt.

    Where no prompt stands before a line that the statement needs, the line belongs to it all the same.
    """
    source = [lines[start][_width(_PROMPT, lines[start]) :]]
    end = start + 1
    while end < len(lines) and (width := _width(_MORE, lines[end])):
        source.append(lines[end][width:])
        end += 1
    reach = end
    while syntax_fault(_joined(source)) and reach < min(len(lines), end + _MOST_OPEN_LINES):
        if not lines[reach].strip() or _PROMPT.match(lines[reach]):
            break
        source.append(lines[reach])
        reach += 1
    code = _joined(source)
    if syntax_fault(code):
        code, reach = _joined(source[: end - start]), end
    sources = [] if syntax_fault(code) else list(one_by_one(code))
    while reach < len(lines) and lines[reach].strip() and not _PROMPT.match(lines[reach]):
        reach += 1
    return sources, reach


def _joined(source: Sequence[str]) -> str:
    return "\n".join(source).rstrip() + "\n"


def _width(pattern: re.Pattern[str], line: str) -> int:
    found = pattern.match(line)
    return found.end() if found else 0


def _next_blank(lines: Sequence[str], start: int) -> int:
    return next((number for number in range(start, len(lines)) if not lines[number].strip()), len(lines))


def _does_something(code: str) -> bool:
    """Whether code names or defines anything: a block of mere values is what some code printed."""
    kinds = ast.Name | ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return any(isinstance(node, kinds) for node in ast.walk(parse(code)))
