"""Where a patch may be written: bounded runs of lines in real definitions, best first.

A small model can rewrite a few dozen lines and no more, so a definition that is longer is divided at
statement boundaries, and its parts are ranked by how many of the report's own words they hold.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retrieval.search import DefinitionHit

_WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True)
class Target:
    """Lines start_line..end_line (1-based, inclusive) of `path`; the first `opening_lines` of them are a
    signature and docstring, which a rewrite keeps."""

    path: str
    name: str
    start_line: int
    end_line: int
    opening_lines: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the state."""
        return asdict(self)

    def lines(self, source: str) -> list[str]:
        """The region's lines, without line ends."""
        return source.splitlines()[self.start_line - 1 : self.end_line]

    @property
    def place(self) -> str:
        """How a prompt names this region."""
        return f"{self.path}, {self.name}" if self.name else self.path


def targets(
    definitions: Sequence[DefinitionHit], sources: dict[str, str], issue: str, max_lines: int
) -> list[Target]:
    """The regions worth rewriting, in the order of `definitions`, at most one for each definition.

    Classes are passed over: their methods are definitions of their own. `sources` maps path to text.
    """
    words = set(_WORD.findall(issue))
    chosen: list[Target] = []
    for definition in definitions:
        if definition.kind == "class":
            continue
        source = sources[definition.path]
        parts = list(_parts(source, definition, max_lines))
        if parts:
            chosen.append(max(parts, key=lambda part: _shared(part.lines(source), words)))
    return chosen


def _shared(lines: list[str], words: set[str]) -> int:
    return len(words & set(_WORD.findall("\n".join(lines))))


def _parts(source: str, definition: DefinitionHit, max_lines: int) -> Iterator[Target]:
    """The whole definition if it is short enough, else the runs of statements it divides into."""
    node = _find(source, definition)
    if node is None:
        end = min(definition.end_line, definition.start_line + max_lines - 1)
        yield Target(definition.path, definition.name, definition.start_line, end, 1)
        return
    if definition.end_line - definition.start_line < max_lines:
        opening = _first_body_line(node) - definition.start_line
        yield Target(definition.path, definition.name, definition.start_line, definition.end_line, opening)
        return
    for start, end in _runs(node.body, max_lines):
        yield Target(definition.path, definition.name, start, end, 0)


def _find(source: str, definition: DefinitionHit) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == definition.start_line:
                return node
    return None


def _first_body_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The line of the first statement after the docstring; a definition on one line keeps nothing."""
    documented = ast.get_docstring(node, clean=False) is not None and len(node.body) > 1
    first = node.body[1 if documented else 0]
    return _first_line(first)


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _runs(body: list[ast.stmt], max_lines: int) -> Iterator[tuple[int, int]]:
    """Runs of consecutive statements of at most max_lines; a longer statement is entered."""
    run: tuple[int, int] | None = None
    for statement in body:
        start, end = _first_line(statement), statement.end_lineno or statement.lineno
        if run and end - run[0] < max_lines:
            run = (run[0], end)
            continue
        if run:
            yield run
        run = (start, end) if end - start < max_lines else None
        if run is None:
            for field in ("body", "orelse", "finalbody"):
                yield from _runs(getattr(statement, field, []), max_lines)
    if run:
        yield run
