"""Kinds of repair of whole statements: guards, returned values, exception types, one statement too many."""

import ast
import builtins
from collections.abc import Iterator

from swebench.catalogue.code import Code, Edit
from swebench.catalogue.scope import nearby_values

_EXCEPTIONS = ("Exception", "ValueError", "TypeError", "KeyError", "AttributeError", "IndexError", "OSError")
_TYPES = ("list", "tuple", "dict", "str", "bytes", "memoryview", "int", "float", "set", "bool")
_REMOVABLE = ast.Expr | ast.Assign | ast.AugAssign | ast.Return | ast.Raise | ast.Delete | ast.Continue
_MOST_GUARDS = 6
_CONDITIONS = ("{}", "not {}", "{} is not None", "{} is None")


def guard(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A condition more: joined to the one there, or before a statement, which then leaves the function."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        start, end = code.span(node.test)
        text = code.source[start:end]
        grouped = f"({text})" if isinstance(node.test, ast.BoolOp | ast.IfExp | ast.Lambda) else text
        for _, value in nearby_values(node, code)[:_MOST_GUARDS]:
            for condition in _CONDITIONS:
                asked = condition.format(value)
                if value != text:
                    yield Edit("guard", start, end, f"{grouped} and {asked}")
                    yield Edit("guard", start, end, f"{grouped} or {asked}")
        if isinstance(node.test, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            yield Edit("guard", end, end, " is not None")
        if isinstance(node.test, ast.Compare) and text.endswith(" is not None"):
            yield Edit("guard", start, end, text.removesuffix(" is not None"))
    function = code.function_of(node)
    if isinstance(node, ast.stmt) and function and code.parent(node) is function:
        start, indent = code.span(node)[0], code.indentation(node)
        for name in code.parameters(function):
            for condition, answer in ((f"{name} is None", "None"), (f"not {name}", name)):
                yield Edit("guard", start, start, f"if {condition}:\n{indent}    return {answer}\n{indent}")


def returned(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another value returned: None, True, False, self, NotImplemented; a result that was dropped."""
    if isinstance(node, ast.Return):
        values = ["None", "True", "False", "NotImplemented"]
        values += ["self"] if code.class_of(node) else []
        if node.value is None:
            values += [value for _, value in nearby_values(node, code)[:_MOST_GUARDS]]
            yield from (Edit("return", *code.span(node), f"return {value}") for value in values)
        else:
            for value in values:
                yield Edit("return", *code.span(node.value), value)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        start = code.span(node)[0]
        yield Edit("return", start, start, "return ")


def exception(node: ast.AST, code: Code) -> Iterator[Edit]:
    """Another exception raised, or one more caught; one more type in isinstance."""
    if isinstance(node, ast.ExceptHandler) and node.type:
        yield from _one_more("exception", node.type, _raised(code), code)
        yield Edit("exception", *code.span(node.type), "Exception")
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
        yield from _one_more("type", node.args[1], [*_TYPES, *classes], code)


def removal(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A statement that should not be there."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, _REMOVABLE):
        start, end = code.span(node)
        yield Edit("removal", start, end, "pass")
        line = code.line_of(end)
        if isinstance(code.parent(node), ast.stmt | ast.ExceptHandler) and len(_siblings(node, code)) > 1:
            yield Edit("removal", code.start_of_line(code.line_of(start)), code.start_of_line(line + 1), "")
    elif isinstance(node, ast.If) and not node.orelse:
        yield Edit("guard", *code.span(node.test), "True")
        yield Edit("guard", *code.span(node.test), "False")


def _siblings(node: ast.stmt, code: Code) -> list[ast.stmt]:
    parent = code.parent(node)
    blocks = [getattr(parent, field, []) for field in ("body", "orelse", "finalbody")]
    return next((block for block in blocks if isinstance(block, list) and node in block), [])


def _one_more(kind: str, there: ast.expr, others: list[str], code: Code) -> Iterator[Edit]:
    start, end = code.span(there)
    listed = there.elts if isinstance(there, ast.Tuple) else [there]
    names = [code.text(item) for item in listed]
    for other in dict.fromkeys(others):
        if other not in names:
            yield Edit(kind, start, end, f"({', '.join([*names, other])})")


def _raised(code: Code) -> list[str]:
    known = [
        name
        for name in code.module_names
        if name.endswith(("Error", "Exception")) or isinstance(getattr(builtins, name, None), type)
    ]
    return list(dict.fromkeys([*known, *_EXCEPTIONS]))
