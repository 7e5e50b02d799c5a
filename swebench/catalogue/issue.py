"""Reads what an issue shows of the repair: many write down the line or the method that they want."""

import ast
import re
import textwrap
from dataclasses import dataclass

from swebench.patches.source import parse

MAX_ISSUE = 50_000
"""Characters of an issue that are read."""
_MOST = 200  # statements, and calls
_SHORTEST, _LONGEST = 16, 200  # characters of a statement
_TRACED = re.compile(r'^(\s*File "[^"\n]+", line \d+, in .+)\n.+$', re.MULTILINE)
_MARKS = re.compile(r"^(?:\s*(?:>>>|\.\.\.) |\+(?!\+\+))")
_DEFINITION = re.compile(r"\s*(?:async )?def \w+\(")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:\.\w+)*)\(")
_STATEMENTS = (ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.Expr, ast.If, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Shown:
    """Source that an issue shows, in its order: single statements with their kind (of branches the head up to
    the colon), whole functions, and the dotted names that it calls.
    """

    statements: tuple[tuple[type[ast.stmt], str], ...] = ()
    functions: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


def shown_by(issue: str) -> Shown:
    """What an issue shows, but for tracebacks, which quote what is there.

    It is read line by line, since many issues do not mark their code.
    """
    issue = _TRACED.sub(r"\1", issue[:MAX_ISSUE].expandtabs(4))
    lines = [_MARKS.sub("", line) for line in issue.splitlines()]
    functions = [_definition(lines[number:]) for number, line in enumerate(lines) if _DEFINITION.match(line)]
    single = [line.strip() for line in [*lines, *_INLINE.findall(issue)]]
    statements = [
        (kind, line.removesuffix(":"))
        for line in dict.fromkeys(single)
        if _SHORTEST <= len(line) <= _LONGEST and (kind := _kind(line))
    ]
    calls = dict.fromkeys(_CALL.findall(issue))
    return Shown(
        tuple(statements[:_MOST]), tuple(function for function in functions if function), tuple(calls)[:_MOST]
    )


def _definition(lines: list[str]) -> str:
    """The function that begins on the first line; "" where it does not parse or leaves its body out."""
    indent = len(lines[0]) - len(lines[0].lstrip())
    last = 1
    for number, line in enumerate(lines[1:], start=1):
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        last = number + 1 if line.strip() else last
    text = textwrap.dedent("\n".join(lines[:last]))
    try:
        body = parse(text).body
    except SyntaxError:
        return ""
    whole = len(body) == 1 and isinstance(body[0], _FUNCTIONS) and any(map(_does_something, body[0].body))
    return text if whole else ""


def _does_something(statement: ast.stmt) -> bool:
    return not isinstance(statement, ast.Pass) and not (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _kind(line: str) -> type[ast.stmt] | None:
    """What statement a line is; None for words, values and what does not parse."""
    try:
        body = parse(f"{line} pass" if line.endswith(":") else line).body
    except SyntaxError:
        return None
    if len(body) != 1 or not isinstance(body[0], _STATEMENTS):
        return None
    if isinstance(body[0], ast.Expr) and not isinstance(body[0].value, ast.Call):
        return None
    return type(body[0])
