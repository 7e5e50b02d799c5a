"""Walks the lines of a region and lets every kind of the catalogue propose."""

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from swebench.catalogue import calls, exceptions, literals, operators, reuse, scope, shown, statements
from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit
from swebench.patches.line_ends import put_in

Kind = Callable[[ast.AST, Code], Iterable[Edit]]
"""Proposes edits that begin at a node."""

KINDS: tuple[Kind, ...] = (
    operators.comparison,
    operators.operator,
    operators.negation,
    operators.boundary,
    operators.slice_bound,
    literals.literal,
    literals.pattern,
    literals.element,
    operators.conditional,
    calls.argument,
    calls.default,
    calls.related_call,
    calls.missing_call,
    scope.other_name,
    statements.guard,
    statements.returned,
    statements.parameter,
    exceptions.exception,
    statements.removal,
    reuse.condition,
    reuse.keyword,
    reuse.another_statement,
    reuse.order,
    shown.statement,
    shown.function,
)


def propose(code: Code, first_line: int, last_line: int, kinds: Sequence[Kind] = KINDS) -> list[Edit]:
    """Every edit of these kinds that begins in the lines first_line..last_line (1-based, inclusive).

    In the order of the text, none twice, none that leaves the text as it is, none with two signs (--1), and
    none in an annotation, which runs nothing. Lines that come in end as those around them do. Not each of
    them parses or means anything: that is the gate's to say.
    """
    edits = {
        (edit.start, edit.end, edit.text): edit
        for node in ast.walk(code.tree)
        if _first(node) <= last_line and _last(node) >= first_line
        for kind in kinds
        for edit in kind(node, code)
        if code.source[edit.start : edit.end] != edit.text
        and not (edit.text.startswith("-") and code.source[: edit.start].endswith("-"))
        and not code.is_annotation(edit.start, edit.end)
    }
    inside = [edit for edit in edits.values() if first_line <= code.line_of(edit.start) <= last_line]
    inside.sort(key=lambda edit: (edit.start, edit.end))
    return [replace(e, text=put_in(code.source, e.start, e.end, e.text)) for e in inside]


def _first(node: ast.AST) -> int:
    """The node's first line; a comprehension's clause, which has none of its own, begins with its target."""
    return int(getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 1 << 30))


def _last(node: ast.AST) -> int:
    return int(getattr(node.iter if isinstance(node, ast.comprehension) else node, "end_lineno", 0))
