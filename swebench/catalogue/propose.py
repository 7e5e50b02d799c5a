"""Walks the lines of a region and lets every kind of the catalogue propose."""

import ast
from collections.abc import Callable, Iterator

from swebench.catalogue import calls, operators, scope, statements
from swebench.catalogue.code import Code, Edit

KINDS: tuple[Callable[[ast.AST, Code], Iterator[Edit]], ...] = (
    operators.comparison,
    operators.operator,
    operators.negation,
    operators.boundary,
    operators.slice_bound,
    operators.literal,
    operators.conditional,
    calls.argument,
    calls.default,
    calls.related_call,
    calls.missing_call,
    scope.other_name,
    statements.guard,
    statements.returned,
    statements.exception,
    statements.removal,
)


def propose(code: Code, first_line: int, last_line: int) -> list[Edit]:
    """Every edit of the catalogue that begins in the lines first_line..last_line (1-based, inclusive).

    In the order of the text, none twice, and none that leaves the text as it is. Not each of them parses or
    means anything: that is the gate's to say.
    """
    edits = {
        (edit.start, edit.end, edit.text): edit
        for node in ast.walk(code.tree)
        if getattr(node, "lineno", last_line + 1) <= last_line
        and getattr(node, "end_lineno", 0) >= first_line
        for kind in KINDS
        for edit in kind(node, code)
        if code.source[edit.start : edit.end] != edit.text
    }
    inside = [edit for edit in edits.values() if first_line <= code.line_of(edit.start) <= last_line]
    return sorted(inside, key=lambda edit: (edit.start, edit.end))
