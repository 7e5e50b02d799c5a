"""Kinds of repair at calls: arguments, another function of the same family, a call missing or too many."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit
from swebench.catalogue.ingredients import called_name
from swebench.catalogue.scope import nearby_values

FAMILIES = (
    ("str", "repr"),
    ("split", "rsplit", "partition", "rpartition", "splitlines"),
    ("find", "rfind", "index", "rindex"),
    ("strip", "lstrip", "rstrip"),
    ("startswith", "endswith"),
    ("append", "extend", "insert", "add"),
    ("add", "update"),
    ("remove", "discard", "pop"),
    ("get", "pop", "setdefault"),
    ("keys", "values", "items"),
    ("any", "all"),
    ("min", "max"),
    ("list", "tuple", "set", "sorted", "frozenset"),
    ("isinstance", "issubclass"),
    ("match", "fullmatch", "search"),
    ("lower", "casefold", "upper", "title"),
    ("isdigit", "isdecimal", "isnumeric"),
    ("floor", "ceil", "round", "int"),
    ("copy", "deepcopy"),
    ("__name__", "__qualname__"),
    ("getattr", "hasattr"),
    ("deque", "list"),
    ("lt", "le", "gt", "ge"),
    ("eq", "ne"),
    ("bisect_left", "bisect_right", "bisect"),
    ("islice", "takewhile", "dropwhile"),
    ("zip", "zip_longest"),
    ("isabs", "exists", "isfile", "isdir", "islink"),
    ("is_integer", "isinf", "isnan"),
    ("sub", "subn"),
    ("encode", "decode"),
    ("appendleft", "append"),
    ("popleft", "pop"),
    ("warning", "error", "info", "debug"),
)
_RELATED: dict[str, set[str]] = {}
for _family in FAMILIES:
    for _name in _family:
        _RELATED.setdefault(_name, set()).update(set(_family) - {_name})
_METHODS = (".copy()", ".strip()", ".lower()", ".items()", ".keys()", ".values()", ".all()")
_WRAPPERS = ("str", "list", "tuple", "set", "sorted", "int", "bool", "repr", "dict", "abs")
_WITH_DEFAULT: dict[str, tuple[int, tuple[str, ...]]] = {
    "get": (1, ("{}", "''", "[]", "False")),
    "pop": (1, ("None",)),
    "next": (1, ("None",)),
    "getattr": (2, ("None",)),
}
"""Name to the number of its arguments without a default, and the defaults worth trying."""
_MOST_WRAPPERS = 10
_VALUES = ast.Name | ast.Attribute | ast.Subscript | ast.Call


def argument(node: ast.AST, code: Code) -> Iterator[Edit]:
    """An argument left out, two exchanged, or one more: a value at hand, alone or under its own name."""
    if not isinstance(node, ast.Call):
        return
    end = code.span(node)[1]
    given_parts: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
    parts = sorted(given_parts, key=lambda part: (part.lineno, part.col_offset))
    spans = [_part_span(part, code) for part in parts]
    for number, (first, last) in enumerate(spans):
        if number + 1 < len(spans):
            yield Edit("argument", first, spans[number + 1][0], "")
        else:
            yield Edit("argument", spans[number - 1][1] if number else first, last, "")
    for (first, last), (after, until) in pairwise(spans):
        swapped = code.source[after:until] + code.source[last:after] + code.source[first:last]
        yield Edit("swap", first, until, swapped)
    if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
        return
    at = spans[-1][1] if spans else end - 1
    comma = ", " if spans else ""
    given = {keyword.arg for keyword in node.keywords} | {
        argument.id for argument in node.args if isinstance(argument, ast.Name)
    }
    for name, value in nearby_values(node, code):
        if name not in given:
            yield Edit("argument", at, at, f"{comma}{name}={value}")
            if not node.keywords and name == value:
                yield Edit("argument", at, at, f"{comma}{value}")
    for name in _starred(node, code):
        yield Edit("argument", at, at, comma + name)


def default(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A default for what may be missing: of get, pop, next, getattr, min and max; pop in place of del."""
    if isinstance(node, ast.Call):
        name = called_name(node)
        at = code.span(node)[1] - 1
        arity, values = _WITH_DEFAULT.get(name, (-1, ()))
        if len(node.args) == arity and not node.keywords:
            for value in values:
                yield Edit("default", at, at, f", {value}")
        if name in {"min", "max"} and len(node.args) == 1 and not node.keywords:
            start, end = code.span(node.args[0])
            text = code.source[start:end]
            given = f"({text}" if end == at + 1 else text  # such a generator has the call's own parentheses
            for value in ("None", "0"):
                yield Edit("default", start, at, f"{given}, default={value}")
    if isinstance(node, ast.Delete) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            popped = f"{code.text(target.value)}.pop({code.text(target.slice)}, None)"
            yield Edit("default", *code.span(node), popped)
    for used in _used_values(node):
        end = code.span(used)[1]
        for other in ("()", "[]", "{}", "''", "None"):
            if isinstance(node, ast.For) == (other == "()"):
                yield Edit("default", end, end, f" or {other}")


def related_call(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another function or attribute of the same family: rsplit for split, str for repr."""
    if isinstance(node, ast.Attribute):
        end = code.span(node)[1]
        for other in sorted(_RELATED.get(node.attr, ())):
            yield Edit("call", end - len(node.attr), end, other)
    elif isinstance(node, ast.Name) and isinstance(code.parent(node), ast.Call):
        for other in sorted(_RELATED.get(node.id, ())):
            yield Edit("call", *code.span(node), other)


def missing_call(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A call around a value, after it (.copy(), .strip()), or one taken away."""
    common = [name for name, _ in code.called.most_common(_MOST_WRAPPERS)]
    inner = node.args if isinstance(node, ast.Call) else getattr(node, "elts", ())
    if isinstance(node, ast.Compare):
        inner = [node.left, *node.comparators]
    elif isinstance(node, ast.BinOp):
        inner = [node.left, node.right]
    for value in [*_used_values(node), *inner]:
        if isinstance(value, _VALUES):
            start, end = code.span(value)
            for method in _METHODS:
                yield Edit("missing call", end, end, method)
            for name in dict.fromkeys([*_WRAPPERS, *common, *code.shown.calls[:_MOST_WRAPPERS]]):
                yield Edit("missing call", start, end, f"{name}({code.source[start:end]})")
    if isinstance(node, ast.Call):
        if len(node.args) == 1 and not node.keywords:
            yield Edit("needless call", *code.span(node), code.text(node.args[0]))
        if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value, code):
            yield Edit("needless call", *code.span(node), code.text(node.func.value))
            yield Edit("needless call", *code.span(node), code.text(node.func))


def _is_module(node: ast.expr, code: Code) -> bool:
    return isinstance(node, ast.Name) and node.id in code.imported


def _used_values(node: ast.AST) -> list[ast.expr]:
    value: ast.expr | None = None
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return | ast.AugAssign):
        value = node.value
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        value = node.iter
    return [value] if isinstance(value, _VALUES) else []


def _starred(node: ast.Call, code: Code) -> list[str]:
    function = code.function_of(node)
    if function is None:
        return []
    given = [argument for argument in node.args if isinstance(argument, ast.Starred)]
    named = [keyword for keyword in node.keywords if keyword.arg is None]
    found = []
    if function.args.vararg and not given and not node.keywords:
        found.append(f"*{function.args.vararg.arg}")
    if function.args.kwarg and not named:
        found.append(f"**{function.args.kwarg.arg}")
    return found


def _part_span(part: ast.expr | ast.keyword, code: Code) -> tuple[int, int]:
    if isinstance(part, ast.keyword):
        value_end = code.span(part.value)[1]
        name = len(part.arg) if part.arg else 2
        start = code.offset(part.lineno, part.col_offset)
        return start, max(value_end, start + name)
    return code.span(part)
