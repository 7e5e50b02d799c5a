"""Reads the code that an issue shows: sessions, scripts, and calls in backticks."""

import ast
import doctest
import re
from dataclasses import dataclass
from typing import Literal

from swebench.patches.source import parse, syntax_fault

MAX_CELLS = 40
MAX_CODE = 50_000
"""Characters of an issue that are read: the code travels as one argument of a command."""
_FENCED = re.compile(r"^```[ \t]*([^\n`]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LANGUAGES = {"", "python", "python3", "py", "pycon"}
_CALLS = re.compile(r"(?<!`)`([A-Za-z_][\w.]*\([^`\n]{0,200}\))`(?!`)")


@dataclass(frozen=True)
class Cell:
    """A piece of code: a statement of a session ("single") or a script ("exec")."""

    kind: Literal["single", "exec"]
    source: str


def cells_of(issue: str) -> list[Cell]:
    """The sessions and scripts that an issue shows, in its order."""
    issue = issue[:MAX_CODE]
    found: list[tuple[int, Cell]] = []
    for block in _FENCED.finditer(issue):
        language, code = block[1].strip().lower(), block[2]
        if language in _LANGUAGES and ">>>" not in code and not syntax_fault(code) and _does_something(code):
            found.append((block.start(), Cell("exec", code)))
    for call in _CALLS.finditer(_FENCED.sub(lambda block: " " * len(block[0]), issue)):
        if not syntax_fault(call[1]):
            found.append((call.start(), Cell("single", call[1] + "\n")))
    text = re.sub(r"^```.*$", "", issue, flags=re.MULTILINE)
    starts = [match.start() for match in re.finditer(r"^[ \t]*>>>", issue, re.MULTILINE)]
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:  # a session that is not well formed
        examples = []
    for start, example in zip(starts, examples, strict=False):
        if not syntax_fault(example.source):
            found.append((start, Cell("single", example.source)))
    return [cell for _, cell in sorted(found, key=lambda pair: pair[0])][:MAX_CELLS]


def _does_something(code: str) -> bool:
    """Whether code names anything: a block of mere values is what some code printed."""
    return any(isinstance(node, ast.Name | ast.Import | ast.ImportFrom) for node in ast.walk(parse(code)))
