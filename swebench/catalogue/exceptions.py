"""Kinds of repair of types: the exceptions that are raised and caught, and what isinstance asks for."""

import ast
import builtins
import re
from collections.abc import Iterator
from itertools import chain

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit

_EXCEPTIONS = ("Exception", "ValueError", "TypeError", "KeyError", "AttributeError", "IndexError", "OSError")
_TYPES = ("list", "tuple", "dict", "str", "bytes", "memoryview", "int", "float", "set", "bool")
_BARE = re.compile(r"except\s*:")


def exception(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another exception raised or caught, or one more; one more type in isinstance.

    What the issue names and the file does not import comes with an import, if the file imports from there.
    """
    if isinstance(node, ast.ExceptHandler):
        yield from _caught(node, code)
    elif (
        isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    ):
        for other in _raised(code):
            if other != node.exc.func.id:
                yield Edit("exception", *code.span(node.exc.func), other)
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"isinstance", "issubclass"}
        and len(node.args) == 2
    ):
        classes = [name for name in code.module_names if name[:1].isupper()]
        for other in [*_TYPES, *classes]:
            if joined := _joined(node.args[1], other, code):
                yield Edit("type", *code.span(node.args[1]), joined)


def _caught(node: ast.ExceptHandler, code: Code) -> Iterator[Edit]:
    known = [(name, None) for name in _raised(code)]
    if node.type is None:
        start = code.span(node)[0]
        if found := _BARE.match(code.source, start):
            for name, _ in known:
                yield Edit("exception", start, found.end(), f"except {name}:")
        return
    start, end = code.span(node.type)
    for name, needed in chain(known, _importable(code)):
        if joined := _joined(node.type, name, code):
            yield Edit("exception", start, end, joined, needed)
            yield Edit("exception", start, end, name, needed)


def _joined(there: ast.expr, other: str, code: Code) -> str:
    """A tuple of what is there and another name; "" where the name is among them."""
    listed = there.elts if isinstance(there, ast.Tuple) else [there]
    names = [code.text(item) for item in listed]
    return "" if other in names else f"({', '.join([*names, other])})"


def _raised(code: Code) -> list[str]:
    known = [
        name
        for name in code.module_names
        if name.endswith(("Error", "Exception")) or isinstance(getattr(builtins, name, None), type)
    ]
    own = [name for name in code.mentioned if _is_exception(getattr(builtins, name, None))]
    return list(dict.fromkeys([*known, *own, *_EXCEPTIONS]))


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _importable(code: Code) -> Iterator[tuple[str, tuple[int, str] | None]]:
    """Dotted names of the issue whose module the file imports, with what its import must say more."""
    for dotted in code.dotted:
        module, _, name = dotted.rpartition(".")
        if name in code.module_names or not name[:1].isupper():
            continue
        for statement in code.tree.body:
            if isinstance(statement, ast.Import) and any(
                alias.name == module and not alias.asname for alias in statement.names
            ):
                yield dotted, None
            elif isinstance(statement, ast.ImportFrom) and statement.module == module and not statement.level:
                end = code.offset(
                    statement.names[-1].end_lineno or 0, statement.names[-1].end_col_offset or 0
                )
                yield name, (end, f", {name}")
