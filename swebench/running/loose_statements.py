"""Finds Python statements among the lines of a text that nothing marks as code."""

import ast
import re
from collections.abc import Iterator, Sequence

from swebench.patches.source import parse, syntax_fault

_MAX_LINES = 200
_TRIES = 4
_OPENING = re.compile(
    r"[ \t]*(@|(async +)?(def|class|with|for) |(from +[\w.]+ +)?import +[\w(*]|(if|while|assert)\b|try:"
    r"|[A-Za-z_][\w.]*[ \t]*[-+*/|&,:=.(\[]|[A-Za-z_{(\[][^:]*[)\]}])"
)
_GOES_ON = re.compile(r"(else|elif|except|finally)\b|[)\]}]")
_ALWAYS = (
    ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign
    | ast.AugAssign | ast.With | ast.AsyncWith | ast.For | ast.While | ast.Try | ast.Assert | ast.If
)  # fmt: skip
_VALUES = ast.Call | ast.Attribute | ast.Compare | ast.Subscript | ast.BinOp
_PROSE = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""In `f(x) is wrong` these are words."""
_ENDINGS = {"py", "txt", "md", "rst", "html", "cfg", "toml", "ini", "js", "json", "com", "org", "io"}


def statement(lines: Sequence[str], start: int) -> tuple[int, str]:
    """The statement that begins in a line, if one does, and the line (exclusive) where to read on.

    What reads as prose, a mere value or a quoted name is none.
    """
    if not _OPENING.match(lines[start]):
        return start + 1, ""
    ends, is_open = _ends(lines, start)
    for end in ends:
        source = dedented(lines[start:end])
        if not syntax_fault(source):
            return (end, source) if _is_code(source) else (start + 1, "")
    return (ends[0] if is_open else start + 1), ""


def _is_code(source: str) -> bool:
    body = parse(source).body
    if len(body) == 1 and isinstance(body[0], ast.AnnAssign):
        return body[0].value is not None  # else `Note: this`
    return len(body) == 1 and (isinstance(body[0], _ALWAYS) or is_expression(source))


def is_expression(source: str) -> bool:
    """Whether a source is one expression that computes something, and no prose or file name."""
    body = parse(source).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        return False
    value = body[0].value
    if isinstance(value, ast.Compare):
        return not isinstance(value.ops[0], _PROSE)
    if isinstance(value, ast.Attribute):
        return value.attr not in _ENDINGS
    return isinstance(value, _VALUES)


def one_by_one(source: str) -> Iterator[str]:
    """The statements of a source that parses; those that share a line stay together."""
    lines, begin, end = source.split("\n"), 0, 0
    for node in parse(source).body:
        decorators = node.decorator_list if hasattr(node, "decorator_list") else []
        start = min([node.lineno, *(each.lineno for each in decorators)]) - 1
        if start >= end > begin:
            yield "\n".join(lines[begin:end]) + "\n"
            begin = start
        elif end == 0:
            begin = start
        end = node.end_lineno or start + 1
    if end > begin:
        yield "\n".join(lines[begin:end]) + "\n"


def dedented(lines: Sequence[str]) -> str:
    """Lines as one text in which the first begins at the left."""
    width = _indentation(lines[0])
    cut = (line[width:] if not line[:width].strip() else line.lstrip() for line in lines)
    return "\n".join(cut).rstrip() + "\n"


def _ends(lines: Sequence[str], start: int) -> tuple[list[int], bool]:
    """Where a statement may end, the farthest first, and whether an open bracket stands in its way.

    To it belong deeper lines, and those that an open bracket needs.
    """
    width = _indentation(lines[start])
    decorated = lines[start].lstrip().startswith("@")
    depth = _brackets(lines[start])
    end, ends = start + 1, [start + 1]
    while end < min(len(lines), start + _MAX_LINES):
        line = lines[end]
        end += 1
        if not line.strip():
            continue
        deeper = _indentation(line) > width
        if not (deeper or depth > 0 or decorated or _GOES_ON.match(line.strip())):
            break
        decorated = decorated and not deeper and line.lstrip().startswith("@")
        depth += _brackets(line)
        if depth <= 0 or end == len(lines):
            ends.append(end)
    if depth > 0:
        return [end, *ends[-_TRIES:][::-1]], True
    return list(dict.fromkeys([*ends[-_TRIES:][::-1], ends[0]])), False


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _brackets(line: str) -> int:
    """How many brackets a line opens more than it closes; what strings and comments hold counts too."""
    return sum(line.count(mark) for mark in "([{") - sum(line.count(mark) for mark in ")]}")
