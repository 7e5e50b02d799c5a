"""Where a patch may be written: bounded runs of lines in real definitions, best first.

A small model can rewrite a few dozen lines and no more, and a very small one a single line. So each
definition gives two kinds of region: its most suspicious line, and its body (of a long definition, the run of
statements that shares most words with the issue). They take turns, by rank. The line comes first: it is
cheap to try.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from pydantic import TypeAdapter

from retrieval.definition_hits import DefinitionHit
from retrieval.definitions import lines_of
from retrieval.tokens import apart
from swebench.patches.edits import Region

_WORD = re.compile(r"[^\W\d]\w{2,}")
_OPERATIONS = ast.Compare | ast.BoolOp | ast.BinOp | ast.UnaryOp | ast.Subscript | ast.Call | ast.Slice
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Target:
    """A region of the function `name` to rewrite, and what is shown around it, which is of the same file.

    The model is shown the lines of `context`, its answer is made to begin with those before the region, and
    what it writes then replaces the region. `is_line` says that the region is a single line of a definition,
    so the answer ends with it.
    """

    name: str
    context: Region
    region: Region
    is_line: bool

    @property
    def path(self) -> str:
        """The file."""
        return self.region.path

    @property
    def place(self) -> str:
        """How a prompt names this region."""
        return f"{self.path}, {self.name}"

    def shown(self, source: str) -> list[str]:
        """The lines to show, moved left as far as the first of them is indented."""
        lines = lines_of(source)[self.context.start_line - 1 : self.context.end_line]
        margin = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        return [line.removeprefix(margin) for line in lines]

    def opening(self, source: str) -> str:
        """The beginning of the answer: the shown lines before the region, and the region's indentation.

        One blank of the indentation is left out: the tokens of code models begin with it.
        """
        lines = self.shown(source)
        before = self.region.start_line - self.context.start_line
        indent = lines[before][: len(lines[before]) - len(lines[before].lstrip())]
        return "".join(line + "\n" for line in lines[:before]) + indent.removesuffix(" ")


TARGETS = TypeAdapter(list[Target])
"""Targets as plain data, which is what the graph's state keeps."""


def targets(
    definitions: Sequence[DefinitionHit], sources: dict[str, str], issue: str, max_lines: int
) -> list[Target]:
    """The regions worth rewriting, by rank: single lines and bodies of the functions in turn.

    Classes are passed over, since their methods are definitions of their own, and so are definitions of files
    that `sources` (path to text) does not hold.
    """
    words = set(_WORD.findall(apart(issue)))
    functions = {
        path: _functions(sources[path])
        for path in dict.fromkeys(definition.path for definition in definitions)
        if path in sources
    }
    bodies, single_lines = [], []
    for definition in definitions:
        source = sources.get(definition.path)
        node = functions.get(definition.path, {}).get(definition.start_line)
        if source is None or node is None or definition.kind == "class":
            continue
        body = _body(definition, node, lines_of(source), words, max_lines)
        bodies.append(body)
        single_lines.append(_line(body, node, lines_of(source), words))
    turns = chain.from_iterable(zip_longest(single_lines, bodies))
    return list(dict.fromkeys(target for target in turns if target is not None))


def _functions(source: str) -> dict[int, ast.FunctionDef | ast.AsyncFunctionDef]:
    """A file's functions by their first lines; none where it does not parse (Python 2, say)."""
    try:
        tree = ast.parse(source.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError):
        return {}
    return {_first_line(node): node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)}


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([int(node.lineno), *(int(decorator.lineno) for decorator in decorators)])


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _body(
    definition: DefinitionHit,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    lines: Sequence[str],
    words: set[str],
    max_lines: int,
) -> Target:
    start, end = definition.start_line, definition.end_line
    if end - start < max_lines:
        documented = ast.get_docstring(node, clean=False) is not None and len(node.body) > 1
        first = max(_first_line(node.body[1 if documented else 0]), start)
        return _target(definition, (start, end), (first, end))
    start, end = max(_runs(node.body, max_lines), key=lambda run: _shared(lines[run[0] - 1 : run[1]], words))
    return _target(definition, (start, end), (start, end))


def _target(definition: DefinitionHit, context: tuple[int, int], region: tuple[int, int]) -> Target:
    path = definition.path
    return Target(definition.name, Region(path, *context), Region(path, *region), is_line=False)


def _runs(body: Sequence[ast.stmt], max_lines: int) -> Iterator[tuple[int, int]]:
    """Runs of consecutive statements of at most max_lines; a compound statement that is longer is entered."""
    run: tuple[int, int] | None = None
    for statement in body:
        start, end = _first_line(statement), _last_line(statement)
        if run and end - run[0] < max_lines:
            run = (run[0], end)
            continue
        if run:
            yield run
        inner = [getattr(statement, field, []) for field in ("body", "orelse", "finalbody")]
        if end - start >= max_lines and any(inner):
            run = None
            for block in inner:
                yield from _runs(block, max_lines)
        else:
            run = (start, min(end, start + max_lines - 1))
    if run:
        yield run


def _line(
    body: Target, node: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str], words: set[str]
) -> Target | None:
    """The line of the body with most words of the issue and most operations, which are what breaks."""
    operations = Counter(
        inner.lineno for inner in ast.walk(node) if isinstance(inner, _OPERATIONS | ast.stmt)
    )
    inside = [line for line in operations if line in body.region]
    if not inside:
        return None

    def suspicion(line: int) -> int:
        return _shared(lines[line - 1 : line], words) + operations[line]

    best = max(sorted(inside), key=suspicion)
    return replace(body, region=Region(body.path, best, best), is_line=True)


def _shared(lines: Sequence[str], words: set[str]) -> int:
    return len(words & set(_WORD.findall("\n".join(lines))))
