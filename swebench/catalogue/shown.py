"""Kinds of repair that the issue itself spells out: a statement, a function or a method that it shows."""

import ast
import difflib
import functools
import textwrap
from collections.abc import Iterator

from swebench.catalogue.code import Code, Function
from swebench.catalogue.edit import Edit
from swebench.patches.source import parse

METHOD = "shown method"
_LIKE_STATEMENT, _LIKE_FUNCTION = 0.75, 0.6
_SIMPLE = ast.Assign | ast.AugAssign | ast.Return | ast.Raise | ast.Expr
_BRANCH = ast.If | ast.While


def statement(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A statement that the issue shows, or the head of a branch, in the place of one like it."""
    if not isinstance(node, _SIMPLE | _BRANCH):
        return
    start, end = code.span(node)
    if isinstance(node, _BRANCH):
        end = code.span(node.test)[1]
    text = code.source[start:end]
    for kind, shown in code.shown.statements:
        if kind is type(node) and shown not in code.source and _likeness(shown, text) >= _LIKE_STATEMENT:
            yield Edit("shown", start, end, shown)


def function(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A function as the issue shows it; before a method, another one that the issue shows for its class."""
    if not isinstance(node, Function):
        return
    owner = code.parent(node)
    for text in code.shown.functions:
        (shown,) = parse(text).body
        assert isinstance(shown, Function)
        indented = textwrap.indent(text, code.indentation(node)).lstrip()
        if shown.name == node.name and _likeness(text, code.text(node)) >= _LIKE_FUNCTION:
            yield Edit("shown function", *code.span(node), indented)
        elif isinstance(owner, ast.ClassDef) and _fits(shown, owner):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            start = code.start_of_line(first) + len(code.indentation(node))
            yield Edit(METHOD, start, start, f"{indented}\n\n{code.indentation(node)}")


@functools.lru_cache(maxsize=1 << 14)
def _likeness(one: str, other: str) -> float:
    """From 0 to 1; indentation does not count."""
    one, other = (" ".join(text.split()) for text in (one, other))
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


@functools.lru_cache(maxsize=1 << 10)
def _fits(method: Function, owner: ast.ClassDef) -> bool:
    """Whether a class lacks a method and has the attributes that it uses."""
    defined = {statement.name for statement in owner.body if isinstance(statement, Function)}
    used, known = _own_attributes(method), _own_attributes(owner) | defined
    return method.name not in defined and bool(used) and used <= known


def _own_attributes(node: ast.AST) -> set[str]:
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self"
    }
