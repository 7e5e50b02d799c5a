"""What a line could have named instead: the values at hand, and the names that look like one of them."""

import ast
import difflib
import functools
import importlib
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit

_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MOST_VALUES = 16
_MOST_SIMILAR = 8
_MOST_KNOWN = 1000  # names that are compared; a file of more is a table
_LEAST_SIMILARITY = 0.6
_PLAIN_MODULES = {
    "ast", "collections", "copy", "datetime", "decimal", "functools", "inspect", "io", "itertools", "json",
    "logging", "math", "operator", "os", "random", "re", "string", "sys", "textwrap", "time", "warnings",
}  # fmt: skip
"""Modules whose attributes are the same wherever the code runs, but for what a newer Python has."""


def nearby_values(node: ast.AST, code: Code) -> list[tuple[str, str]]:
    """(name, expression) of the values at hand: parameters, other locals, attributes of self."""
    function = code.function_of(node)
    if function is None:
        return []
    parameters = code.parameters(function)
    others = [name for name in code.locals(function) if name not in parameters]
    own = code.own_attributes(node)
    values = [(name, name) for name in parameters]
    values += [(name.lstrip("_"), f"self.{name}") for name, _ in own.most_common(_MOST_VALUES)]
    values += [(name, name) for name in others]
    return list(dict.fromkeys(values))[: 2 * _MOST_VALUES]


def other_name(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another name that looks like the one there: a variable in scope, or an attribute used in the file."""
    if isinstance(node, ast.Name):
        function = code.function_of(node)
        known = [*(code.locals(function) if function else ()), *code.module_names]
        for other in _best(node.id, known):
            yield Edit("name", *code.span(node), other)
        for attribute in _best(node.id, code.own_attributes(node)):
            yield Edit("name", *code.span(node), f"self.{attribute}")
    elif isinstance(node, ast.Attribute):
        end = code.span(node)[1]
        there = _attributes_of(node.value, code)
        for other in _best(node.attr, [*code.attributes, *code.mentioned]):
            if there is None or other in there:
                yield Edit("name", end - len(node.attr), end, other)


def _attributes_of(node: ast.expr, code: Code) -> frozenset[str] | None:
    """The attributes of a text or of a module of the standard library; None where they cannot be told."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        return frozenset(dir(getattr(node, "value", "")))
    module = code.imported.get(node.id) if isinstance(node, ast.Name) else None
    return frozenset(dir(importlib.import_module(module))) if module in _PLAIN_MODULES else None


def _alike(name: str, other: str) -> bool:
    """Whether two names share a part, look alike, or are both of one letter."""
    if len(name) == 1 or len(other) == 1:
        return len(name) == len(other)
    return bool(_parts(name) & _parts(other)) or _similarity(name, other) >= _LEAST_SIMILARITY


def _best(name: str, others: Iterable[str]) -> list[str]:
    known = islice(dict.fromkeys(others), _MOST_KNOWN)
    alike = {other for other in known if other != name and _alike(name, other)}
    return sorted(alike, key=lambda other: (-_similarity(name, other), other))[:_MOST_SIMILAR]


@functools.lru_cache(maxsize=1 << 16)
def _similarity(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name, other, autojunk=False).ratio()


@functools.lru_cache(maxsize=1 << 14)
def _parts(name: str) -> frozenset[str]:
    return frozenset(part.lower() for part in _PART.findall(name) if len(part) > 2)
