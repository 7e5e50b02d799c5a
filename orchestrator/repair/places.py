"""Where in a file an edit may be made: the lines that belong to a function, a class or the module itself."""

import ast
from collections.abc import Sequence

from retrieval.definition_hits import DefinitionHit
from retrieval.tokens import count_terms
from swebench.catalogue import Code

MOST_LINES = 60
"""Of one range: what the model reads at once."""
_MOST_RANGES = 2
_MOST_CHARACTERS = 6000
"""Of one range: so many in so few lines are a table, and would not fit a small model's context."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IDLE = (ast.Import, ast.ImportFrom, ast.Pass)


def ranges(code: Code, hit: DefinitionHit, asked: set[str]) -> list[tuple[int, int]]:
    """The line ranges (1-based, inclusive) of a hit, at most MOST_LINES each, in the order of the text.

    Of a class or a module those that are in no definition inside it. Where there are too many, the ranges
    that share most terms with the issue (`asked`) are taken.
    """
    own = hit.kind in {"class", "module"}
    whole = _own(code, hit) if own else [(hit.start_line, hit.end_line)]
    pieces = [
        (start, min(start + MOST_LINES - 1, last))
        for first, last in whole
        for start in range(first, last + 1, MOST_LINES)
    ]
    fitting = [piece for piece in pieces if len(_text(code, piece)) <= _MOST_CHARACTERS]
    fitting.sort(key=lambda piece: -len(asked & count_terms(_text(code, piece)).keys()))
    return sorted(fitting[:_MOST_RANGES])


def reached_lines(code: Code, executed: frozenset[int]) -> frozenset[int]:
    """The lines of every statement that begins on an executed line; of a compound one, those of its head
    and its `else`."""
    found = set(executed)
    for node in ast.walk(code.tree):
        if isinstance(node, ast.stmt) and node.lineno in executed:
            inner = getattr(node, "body", None) or [each.pattern for each in getattr(node, "cases", ())]
            last = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
            found.update(range(node.lineno, last + 1))
            if other := getattr(node, "orelse", None):
                above = [*inner, *getattr(node, "handlers", ())][-1]
                found.update(range(above.end_lineno + 1, other[0].lineno))
    return frozenset(found)


def _own(code: Code, hit: DefinitionHit) -> list[tuple[int, int]]:
    """Runs of neighbouring statements of a class or a module that define nothing and do not just import."""
    runs: list[tuple[int, int]] = []
    for statement in _body(code, hit):
        if isinstance(statement, _DEFINITIONS):
            continue
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        if runs and first - runs[-1][1] <= 2 and last - runs[-1][0] < MOST_LINES:
            runs[-1] = (runs[-1][0], last)
        elif not isinstance(statement, _IDLE) and not _is_docstring(statement):
            runs.append((first, last))
    return runs


def _body(code: Code, hit: DefinitionHit) -> Sequence[ast.stmt]:
    if hit.kind == "module":
        return code.tree.body
    return next(
        (
            node.body
            for node in ast.walk(code.tree)
            if isinstance(node, ast.ClassDef)
            and min([node.lineno, *(each.lineno for each in node.decorator_list)]) == hit.start_line
        ),
        [],
    )


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _text(code: Code, piece: tuple[int, int]) -> str:
    return code.source[code.start_of_line(piece[0]) : code.start_of_line(piece[1] + 1)]
