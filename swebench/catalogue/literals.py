"""Kinds of repair inside literals: another constant, a related word, conversions, patterns, elements."""

import ast
import re
from collections.abc import Iterator

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit

_QUOTES = re.compile(r"[rbuRBU]*(\"\"\"|'''|\"|')")
_FAMILIES = (
    ("utf-8", "utf-8-sig", "latin-1", "ascii"),
    ("r", "rb"),
    ("w", "wb", "a", "x"),
    ("strict", "ignore", "replace", "backslashreplace"),
    ("left", "right"),
    ("first", "last"),
)
_CONVERSIONS = (("%s", "%r"), ("%r", "%s"), ("%d", "%s"), ("{}", "{!r}"), ("{!r}", "{}"))
_QUANTIFIER = re.compile(r"(?<=[\])\w.])([*+?])")
_PATTERN_PARTS = (("$", r"\Z"), (".", r"\."), (r"\w", r"[\w-]"), (r"\d", r"\w"))
_FLAGS = ("re.DOTALL", "re.MULTILINE", "re.IGNORECASE")
_PATTERN_CALLS = {"compile", "match", "search", "fullmatch", "sub", "split", "findall", "finditer"}
_MOST_ADDED = 6


def literal(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another constant of the same kind; a string with a blank at an end, empty, or of the same family."""
    if not isinstance(node, ast.Constant) or isinstance(code.parent(node), ast.Expr | ast.JoinedStr):
        return  # a docstring changes nothing, and a piece of an f-string has no quotes of its own
    start, end = code.span(node)
    if node.value is None or isinstance(node.value, bool):
        for other in ("True", "False", "None", *map(repr, code.quoted if node.value is None else ())):
            yield Edit("literal", start, end, other)
    elif isinstance(node.value, str):
        text = code.source[start:end]
        opening = _QUOTES.match(text)
        if opening and len(text) >= opening.end() + len(opening[1]):
            first, closing = start + opening.end(), end - len(opening[1])
            yield Edit("literal", closing, closing, " ")
            yield Edit("literal", first, first, " ")
            yield Edit("literal", first, closing, "")
            for family in _FAMILIES:
                for other in family if node.value.lower() in family else ():
                    yield Edit("related literal", first, closing, other)
            for one, other in _CONVERSIONS:
                for found in re.finditer(re.escape(one), code.source[first:closing]):
                    yield Edit("conversion", first + found.start(), first + found.end(), other)
            for other in ("None", *map(repr, code.quoted)):
                yield Edit("quoted literal", start, end, other)


def pattern(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A regular expression: a quantifier, an anchor, a class, a flag."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
        return
    if node.func.attr not in _PATTERN_CALLS or getattr(node.func.value, "id", "") != "re":
        return
    at, given = code.span(node)[1] - 1, code.text(node)
    if not node.keywords:
        yield from (Edit("pattern", at, at, f", flags={flag}") for flag in _FLAGS if flag not in given)
    if not (isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
        return
    start, end = code.span(node.args[0])
    opening = _QUOTES.match(code.source[start:end])
    if not opening:
        return
    first, closing = start + opening.end(), end - len(opening[1])
    yield Edit("pattern", first, first, "^")
    yield from (Edit("pattern", closing, closing, text) for text in ("$", r"\Z", "?"))
    for found in _QUANTIFIER.finditer(code.source, first, closing):
        for other in [each for each in ("*", "+", "?", "*?", "+?") if each != found[1]]:
            yield Edit("pattern", *found.span(1), other)
    for one, other in _PATTERN_PARTS:
        for found in re.finditer(re.escape(one), code.source[first:closing]):
            yield Edit("pattern", first + found.start(), first + found.end(), other)


def element(node: ast.AST, code: Code) -> Iterator[Edit]:
    """One element more in a list, tuple or set: a text that the issue quotes or a name that it mentions."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and node.elts and not _is_stored(node):
        end = code.span(node.elts[-1])[1]
        texts = all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in node.elts)
        known = {code.text(each) for each in node.elts}
        others = map(repr, code.quoted) if texts else (m for m in code.mentioned if m in code.module_names)
        for other in [other for other in others if other not in known][:_MOST_ADDED]:
            yield Edit("element", end, end, f", {other}")
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.NotEq):
        right = node.comparators[0]
        if isinstance(right, ast.Constant) and isinstance(right.value, str):
            start, end = code.span(node.left)[1], code.span(right)[1]
            word = "in" if isinstance(node.ops[0], ast.Eq) else "not in"
            for other in map(repr, code.quoted[:_MOST_ADDED]):
                yield Edit("element", start, end, f" {word} ({code.text(right)}, {other})")


def _is_stored(node: ast.List | ast.Tuple | ast.Set) -> bool:
    return not isinstance(node, ast.Set) and not isinstance(node.ctx, ast.Load)
