"""Kinds of repair of whole statements: guards, returned values, defaults, one statement too many."""

import ast
from collections.abc import Iterator

from swebench.catalogue.code import Code, Function
from swebench.catalogue.edit import Edit
from swebench.catalogue.ingredients import defaults_of
from swebench.catalogue.scope import nearby_values

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
        for name in [*code.assigned_before(node), *code.parameters(function)]:
            for condition, answer in ((f"{name} is None", "None"), (f"not {name}", name)):
                inner = indent + ("\t" if indent.endswith("\t") else "    ")
                yield Edit("guard", start, start, f"if {condition}:\n{inner}return {answer}\n{indent}")


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


def parameter(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A parameter that may be left out; one whose mutable default every call shares, copied."""
    if not isinstance(node, Function):
        return
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    if len(plain) > len(arguments.defaults):
        last = plain[len(plain) - len(arguments.defaults) - 1]
        end = code.offset(last.end_lineno or last.lineno, last.end_col_offset or 0)
        if last.arg not in {"self", "cls"}:
            yield Edit("parameter", end, end, " = None" if last.annotation else "=None")
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    for argument, default in defaults_of(node):
        copier = {ast.Dict: "dict", ast.List: "list", ast.Set: "set"}.get(type(default))
        if copier and body and body[0].lineno > node.lineno:
            start, indent = code.span(body[0])[0], code.indentation(body[0])
            text = f"{argument.arg} = {copier}({argument.arg})\n{indent}"
            yield Edit("parameter", start, start, text)


def removal(node: ast.AST, code: Code) -> Iterator[Edit]:
    """A statement that should not be there."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, _REMOVABLE):
        start, end = code.span(node)
        yield Edit("removal", start, end, "pass")
        if isinstance(node, ast.Raise) and code.function_of(node):
            for value in ("None", "NotImplemented"):
                yield Edit("return", start, end, f"return {value}")
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
