"""Kinds of repair inside expressions: comparison, boundary, operator, negation, slice bound."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit

_COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("!=", "is", "in"),
    ast.NotEq: ("==", "is not", "not in"),
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">="),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<="),
    ast.Is: ("==", "is not"),
    ast.IsNot: ("!=", "is"),
    ast.In: ("not in", "=="),
    ast.NotIn: ("in", "!="),
}
_COMPARISON = re.compile(r"\bis\s+not\b|\bnot\s+in\b|\bis\b|\bin\b|==|!=|<=|>=|<|>")
_OPERATIONS: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("-", "*"),
    ast.Sub: ("+",),
    ast.Mult: ("/", "**", "+"),
    ast.Div: ("//", "*"),
    ast.FloorDiv: ("/", "%", "*"),
    ast.Mod: ("//",),
    ast.Pow: ("*",),
    ast.BitAnd: ("|",),
    ast.BitOr: ("&",),
    ast.LShift: (">>",),
    ast.RShift: ("<<",),
}
_OPERATION = re.compile(r"\*\*|//|<<|>>|[-+*/%@&|^]")
_CONJUNCTION = re.compile(r"\b(?:and|or)\b")
_LONG = 10**18  # Python refuses to write out numbers of thousands of digits
_BOUNDED = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.BinOp
_ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift)


def comparison(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another comparison operator: == for !=, < for <=, is for ==, in for not in."""
    if not isinstance(node, ast.Compare):
        return
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        start, end = code.span(left)[1], code.span(right)[0]
        if found := _COMPARISON.search(code.source, start, end):
            for other in _COMPARISONS[type(operator)]:
                yield Edit("comparison", *found.span(), other)
        left = right


def operator(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another arithmetic, bit or boolean operator; the operands in the other order; one operand alone."""
    if isinstance(node, ast.BinOp):
        (start, left_end), (right_start, end) = code.outer_span(node.left), code.outer_span(node.right)
        left, right = code.source[start:left_end], code.source[right_start:end]
        if found := _OPERATION.search(code.source, left_end, right_start):
            for other in _OPERATIONS.get(type(node.op), ()):
                yield Edit("operator", *found.span(), other)
        if isinstance(node.op, _ORDERED) and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            yield Edit("swap", start, end, f"{right}{code.source[left_end:right_start]}{left}")
        if isinstance(node.op, ast.Add):
            yield from _other_way_round(node, code)
        yield Edit("operand", start, end, left)
        yield Edit("operand", start, end, right)
    elif isinstance(node, ast.BoolOp):
        if isinstance(node.op, ast.Or) and len(node.values) == 2:
            left, right = (code.text(value) for value in node.values)
            yield Edit("none", *code.span(node), f"{right} if {left} is None else {left}")
        other = "or" if isinstance(node.op, ast.And) else "and"
        spans = [code.outer_span(value) for value in node.values]
        for (start, end), (next_start, next_end) in pairwise(spans):
            if found := _CONJUNCTION.search(code.source, end, next_start):
                yield Edit("operator", *found.span(), other)
            yield Edit("operand", start, next_start, "")
            yield Edit("operand", end, next_end, "")
    elif isinstance(node, ast.AugAssign):
        start, end = code.span(node.target)[1], code.span(node.value)[0]
        if found := _OPERATION.search(code.source, start, end):
            for other in (*_OPERATIONS.get(type(node.op), ()), ""):
                yield Edit("operator", *found.span(), other)


def _other_way_round(node: ast.BinOp, code: Code) -> Iterator[Edit]:
    """Of texts put together, at least one of them written out: the first and the last exchanged."""
    first: ast.expr = node
    texts = [node.right]
    while isinstance(first, ast.BinOp) and isinstance(first.op, ast.Add):
        texts.append(first.right)
        first = first.left
    texts.append(first)
    if any(isinstance(text, ast.JoinedStr) or _is_text(text) for text in texts):
        (start, end), (last_start, last_end) = code.outer_span(first), code.outer_span(node.right)
        between = code.source[end:last_start]
        yield Edit(
            "swap", start, last_end, code.source[last_start:last_end] + between + code.source[start:end]
        )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def negation(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A condition turned round; a minus taken away."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield Edit("negation", *code.span(node), code.text(node.operand))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Edit("negation", *code.span(node), code.text(node.operand))
        yield Edit("none", *code.span(node), f"{code.text(node.operand)} is None")
        return
    if (
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Is)
        and code.text(node).endswith(" None")
    ):
        yield Edit("none", *code.span(node), f"not {code.text(node.left)}")
    conditions: list[ast.expr] = []
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        conditions = [node.test]
    elif isinstance(node, ast.BoolOp):
        conditions = list(node.values)
    for condition in conditions:
        if not (isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not)):
            start, end = code.outer_span(condition)
            text = code.source[start:end]
            grouped = f"({text})" if isinstance(condition, ast.BoolOp | ast.IfExp) else text
            yield Edit("negation", start, end, f"not {grouped}")


def boundary(node: ast.AST, code: Code) -> Iterator[Edit]:
    """One more or one less: of a whole number, of what is compared, of a bound."""
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < _LONG:
        for value in {node.value + 1, node.value - 1, 0, 1, -node.value}:
            yield Edit("boundary", *code.span(node), str(value))
    for bound in _bounds(node):
        end = code.span(bound)[1]
        yield Edit("boundary", end, end, " + 1")
        yield Edit("boundary", end, end, " - 1")


def _bounds(node: ast.AST) -> list[ast.expr]:
    bounds: list[ast.expr] = []
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        bounds = [node.left, *node.comparators]
    elif isinstance(node, ast.Slice):
        bounds = [bound for bound in (node.lower, node.upper) if bound]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        bounds = list(node.args)
    return [bound for bound in bounds if isinstance(bound, _BOUNDED)]


def slice_bound(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A bound left out, or on the other side; the last item for the first; an item that may be missing."""
    if isinstance(node, ast.Slice):
        bounds = [bound for bound in (node.lower, node.upper) if bound]
        for bound in bounds:
            yield Edit("slice", *code.span(bound), "")
        if len(bounds) == 1 and not node.step:
            text = code.text(bounds[0])
            yield Edit("slice", *code.span(node), f"{text}:" if node.upper else f":{text}")
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        start, end = code.span(node)
        value, index = code.text(node.value), code.text(node.slice)
        if isinstance(node.slice, ast.Slice):
            yield Edit("slice", start, end, value)
        elif index in {"0", "-1"}:
            yield Edit("slice", start, end, f"{value}[{'-1' if index == '0' else '0'}]")
        else:
            yield Edit("default", start, end, f"{value}.get({index})")


def conditional(node: ast.AST, code: Code) -> Iterator[Edit]:
    """The two arms of a conditional expression exchanged, or one alone."""
    if isinstance(node, ast.IfExp):
        start, end = code.span(node)
        arms = code.text(node.body), code.text(node.orelse)
        yield Edit("swap", start, end, f"{arms[1]} if {code.text(node.test)} else {arms[0]}")
        for arm in arms:
            yield Edit("operand", start, end, arm)
