"""Finds the functions, methods and classes of a Python file with their lines.

Files that today's parser refuses (Python 2, templates) are read by indentation instead: a definition then
ends where the next line stands as far left as its own `def` or `class`.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile(r"\r\n|\r|\n")
_OPENING = re.compile(r"([ \t]*)(?:async[ \t]+)?(def|class)[ \t]+([^\W\d]\w*)")
_DECORATOR = re.compile(r"([ \t]*)@")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


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


def find_definitions(text: str) -> list[Definition]:
    """The definitions of a file by first line; an outer one comes before its inner ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the file's own doubtful escapes
            tree = ast.parse(text.removeprefix("\ufeff"))
        found = list(_walk(tree.body, ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = list(_scan(lines_of(text)))
    return sorted(found, key=lambda definition: (definition.start_line, -definition.end_line))


def _walk(body: list[ast.stmt], outer: str) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, _Function | ast.ClassDef):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            end = node.end_lineno or node.lineno
            if isinstance(node, ast.ClassDef):
                yield Definition(outer + node.name, "class", start, end)
                yield from _walk(node.body, f"{outer}{node.name}.")
            else:
                yield Definition(outer + node.name, "method" if outer else "function", start, end)
        else:
            for field in ("body", "orelse", "finalbody"):
                yield from _walk(getattr(node, field, []), outer)
            for branch in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
                yield from _walk(branch.body, outer)


def _scan(lines: list[str]) -> Iterator[Definition]:
    open_blocks: list[tuple[int, str, str, int]] = []  # indent, kind, name, first line
    decorated: int | None = None
    last_filled = 0
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ")", "]", "}")):
            continue
        indent = len(line.expandtabs()) - len(line.expandtabs().lstrip())
        while open_blocks and indent <= open_blocks[-1][0]:
            yield _closed(open_blocks, last_filled)
        opening = _OPENING.match(line)
        if opening and not any(kind == "def" for _, kind, _, _ in open_blocks):
            open_blocks.append((indent, opening[2], opening[3], decorated or number))
        decorated = (decorated or number) if _DECORATOR.match(line) else None
        last_filled = number
    while open_blocks:
        yield _closed(open_blocks, last_filled)


def _closed(open_blocks: list[tuple[int, str, str, int]], end: int) -> Definition:
    name = ".".join(block[2] for block in open_blocks)
    _, kind, _, start = open_blocks.pop()
    if kind == "def":
        kind = "method" if open_blocks else "function"
    return Definition(name, kind, start, max(start, end))
