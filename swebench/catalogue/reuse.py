"""Kinds of repair that reuse what the file already says: a condition, a keyword of a call, a whole statement.

That what a repair needs is mostly in the same file is the plastic surgery hypothesis (Barr et al., 2014).
"""

import ast
import functools
import re
from collections.abc import Iterator
from itertools import pairwise

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit
from swebench.catalogue.ingredients import Ingredients, called_name

_MOST_CONDITIONS = 10
_MOST_KEYWORDS = 8
_MOST_MENTIONED = 6
_LONGEST = 160  # characters of what is reused
_ELSE = re.compile(r"\belse\b")
_SIMPLE = ast.Assign | ast.AugAssign | ast.Expr | ast.Return


@functools.lru_cache(maxsize=8)
def ingredients(code: Code) -> Ingredients:
    """What the file says, gathered once."""
    return Ingredients(code)


def condition(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A condition of the file whose names are known here: joined to one, in its place, for an else."""
    said = ingredients(code)
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        start, end = code.span(node.test)
        text = code.source[start:end]
        grouped = f"({text})" if isinstance(node.test, ast.BoolOp | ast.IfExp | ast.Lambda) else text
        for other in said.conditions_for(node, _MOST_CONDITIONS):
            if other not in text:
                yield Edit("condition", start, end, f"{grouped} and {other}")
                yield Edit("condition", start, end, f"{grouped} or {other}")
                yield Edit("condition", start, end, other)
        if isinstance(node, ast.If) and node.orelse:
            last = code.span(node.body[-1])[1]
            found = _ELSE.search(code.source, last, code.span(node.orelse[0])[0])
            for other in said.conditions_for(node, _MOST_CONDITIONS):
                if found:
                    yield Edit("condition", *found.span(), f"elif {other}")
    elif isinstance(node, ast.comprehension):
        end = code.span(node.ifs[-1] if node.ifs else node.iter)[1]
        joint = " and " if node.ifs else " if "
        names = [item.id for item in ast.walk(node.target) if isinstance(item, ast.Name)]
        for other in [*names, *said.conditions_for(node, _MOST_CONDITIONS)]:
            yield Edit("condition", end, end, f"{joint}{other}")


def keyword(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A keyword that other calls of the same name in the file give, or that the function called has there."""
    if not isinstance(node, ast.Call):
        return
    given = {each.arg for each in node.keywords}
    if None in given or any(isinstance(each, ast.GeneratorExp) for each in node.args):
        return
    at = code.span(node)[1] - 1
    parts = [*node.args, *(each.value for each in node.keywords)]
    comma = ", " if parts and not code.source[:at].rstrip().endswith(",") else ""
    for text in ingredients(code).keywords_of(called_name(node))[:_MOST_KEYWORDS]:
        if text.partition("=")[0] not in given:
            yield Edit("keyword", at, at, f"{comma}{text}")


def another_statement(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A statement once more, for another thing that the issue mentions."""
    if not isinstance(node, _SIMPLE) or isinstance(node, ast.Return) or _is_constant(node):
        return
    start, end = code.span(node)
    text, indent = code.source[start:end], code.indentation(node)
    if len(text) > _LONGEST:
        return
    names = {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
    names |= {item.id for item in ast.walk(node) if isinstance(item, ast.Name)} - {"self", "cls"}
    known = [name for name in code.mentioned if name in ingredients(code).names and name not in names]
    for name in sorted(names):
        for other in known[:_MOST_MENTIONED]:
            copied = re.sub(rf"\b{re.escape(name)}\b", other, text)
            yield Edit("another", end, end, f"\n{indent}{copied}")


def order(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Two neighbouring statements in the other order."""
    for block in (getattr(node, field, None) for field in ("body", "orelse", "finalbody")):
        for one, other in pairwise(block) if isinstance(block, list) else ():
            if isinstance(one, _SIMPLE) and isinstance(other, _SIMPLE) and not _is_constant(one):
                (start, end), (after, until) = code.span(one), code.span(other)
                swapped = code.source[after:until] + code.source[end:after] + code.source[start:end]
                if until - start <= 2 * _LONGEST:
                    yield Edit("order", start, until, swapped)


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
