"""A parsed file as the catalogue reads it: where each node stands, what encloses it, what is in scope."""

import ast
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from swebench.catalogue.report import Shown
from swebench.patches.source import parse

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = ast.expr | ast.stmt | ast.ExceptHandler
_GROUPING = ast.BoolOp | ast.BinOp | ast.Compare | ast.UnaryOp


@dataclass(frozen=True)
class Edit:
    """Characters start..end (exclusive) of a file become `text`; `kind` names what the catalogue calls it.

    `imports` is what the edit needs beside it: a place before `start`, and the text that comes in there.
    """

    kind: str
    start: int
    end: int
    text: str
    imports: tuple[int, str] | None = None

    @property
    def changes(self) -> tuple[tuple[int, int, str], ...]:
        """Start, end and text of all that is replaced, the last first, so that no place moves."""
        needed = ((self.imports[0], self.imports[0], self.imports[1]),) if self.imports else ()
        return ((self.start, self.end, self.text), *needed)

    def apply(self, source: str) -> str:
        """The source with the edit made."""
        for start, end, text in self.changes:
            source = source[:start] + text + source[end:]
        return source


class Code:
    """A Python file that parses.

    Args:
        mentioned: Names that the report mentions, which an edit may bring in though the file lacks them.
        quoted: Texts that it quotes, which may replace a constant.
        dotted: Dotted names in it, such as that of an exception with its module.
        shown: Code in it, which may replace code like it.

    Raises:
        SyntaxError: it does not parse.
    """

    def __init__(
        self,
        source: str,
        mentioned: Iterable[str] = (),
        quoted: Iterable[str] = (),
        dotted: Iterable[str] = (),
        shown: Shown = Shown(),  # noqa: B008 (it is frozen)
    ) -> None:
        self.source = source
        self.mentioned = tuple(dict.fromkeys(mentioned))
        self.quoted = tuple(dict.fromkeys(quoted))
        self.dotted = tuple(dict.fromkeys(dotted))
        self.shown = shown
        self.tree = parse(source)
        self._mark = int(source.startswith("\ufeff"))
        lines = _LINE.findall(source[self._mark :])
        self._lines = lines
        self._starts = [self._mark]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._parents = {
            child: parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)
        }

    @property
    def n_lines(self) -> int:
        """How many lines the file has."""
        return len(self._lines)

    def span(self, node: Node) -> tuple[int, int]:
        """First character and the one after the last of a node, without decorators."""
        end = self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return self.offset(node.lineno, node.col_offset), end

    def text(self, node: Node) -> str:
        """The node's source as it stands."""
        start, end = self.span(node)
        return self.source[start:end]

    def outer_span(self, node: ast.expr) -> tuple[int, int]:
        """The span of an operand with the parentheses that group it."""
        start, end = self.span(node)
        parent = self._parents.get(node)
        if not isinstance(parent, _GROUPING):
            return start, end
        low, high = self.span(parent)
        while True:
            left, right = self.source[low:start].rstrip(), self.source[end:high].lstrip()
            if not (left.endswith("(") and right.startswith(")")):
                return start, end
            start, end = low + len(left) - 1, high - len(right) + 1

    def line_of(self, offset: int) -> int:
        """The 1-based line of a character."""
        return max(bisect_right(self._starts, offset), 1)

    def indentation(self, node: ast.stmt) -> str:
        """The blanks before a statement's first line."""
        line: str = self._lines[node.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def parent(self, node: ast.AST) -> ast.AST | None:
        """What a node stands in; None for the module."""
        return self._parents.get(node)

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """Everything a node stands in, from the inside out."""
        outer = self._parents.get(node)
        while outer is not None:
            yield outer
            outer = self._parents.get(outer)

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function a node stands in."""
        return next((outer for outer in self.enclosing(node) if isinstance(outer, Function)), None)

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class a node stands in."""
        return next((outer for outer in self.enclosing(node) if isinstance(outer, ast.ClassDef)), None)

    @cached_property
    def attributes(self) -> Counter[str]:
        """How often each attribute name is used in the file."""
        return Counter(node.attr for node in ast.walk(self.tree) if isinstance(node, ast.Attribute))

    @cached_property
    def module_names(self) -> Counter[str]:
        """Names bound at the top of the module and how often each is read."""
        bound: dict[str, None] = {}
        for statement in self.tree.body:
            for node in ast.walk(statement) if not isinstance(statement, _SCOPES) else ():
                if isinstance(node, ast.alias):
                    bound[(node.asname or node.name).split(".")[0]] = None
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    bound[node.id] = None
            if isinstance(statement, _SCOPES):
                bound[statement.name] = None
        read = Counter(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        return Counter({name: read[name] for name in bound if name != "*"})

    @cached_property
    def imported(self) -> dict[str, str]:
        """Name to the module that a plain `import` binds it to."""
        return {
            alias.asname or alias.name: alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }

    @cached_property
    def called(self) -> Counter[str]:
        """Names of functions called with one positional argument, which can be put around a value."""
        return Counter(
            node.func.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and len(node.args) == 1
            and not node.keywords
        )

    def parameters(self, function: Function) -> list[str]:
        """The names of a function's parameters but self and cls, those of * and ** left out."""
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        return [argument.arg for argument in every if argument.arg not in {"self", "cls"}]

    def locals(self, function: Function) -> list[str]:
        """The parameters and the names that a function assigns, in the order of the text."""
        if function not in self._known_locals:
            self._known_locals[function] = self._bound(function)
        return self._known_locals[function]

    def _bound(self, function: Function) -> list[str]:
        stored = [
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        return list(dict.fromkeys([*self.parameters(function), *stored]))

    def assigned_before(self, node: ast.stmt) -> list[str]:
        """The name that the statement just before assigns, in a list; empty where it assigns none."""
        owner = self.parent(node)
        body = getattr(owner, "body", [])
        place = body.index(node) if node in body else 0
        before = body[place - 1] if place else None
        if isinstance(before, ast.Assign) and isinstance(before.targets[0], ast.Name):
            return [before.targets[0].id]
        return []

    def is_annotation(self, start: int, end: int) -> bool:
        """Whether the characters start..end are all in an annotation."""
        before = bisect_right(self._annotations, (start, len(self.source))) - 1
        if before < 0:
            return False
        _, last = self._annotations[before]
        return end <= last and start < last

    @cached_property
    def _annotations(self) -> list[tuple[int, int]]:
        found: list[ast.expr | None] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.arg | ast.AnnAssign):
                found.append(node.annotation)
            elif isinstance(node, Function):
                found.append(node.returns)
        return sorted(self.span(node) for node in found if node)

    def own_attributes(self, node: ast.AST) -> Counter[str]:
        """How often each attribute of `self` is used in the class that a node stands in."""
        owner = self.class_of(node)
        if owner is None:
            return Counter()
        return self._own_attributes(owner)

    def _own_attributes(self, owner: ast.ClassDef) -> Counter[str]:
        if owner not in self._known_attributes:
            self._known_attributes[owner] = Counter(
                node.attr
                for node in ast.walk(owner)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            )
        return self._known_attributes[owner]

    @cached_property
    def _known_locals(self) -> dict[Function, list[str]]:
        return {}

    @cached_property
    def _known_attributes(self) -> dict[ast.ClassDef, Counter[str]]:
        return {}

    def start_of_line(self, line: int) -> int:
        """The first character of a 1-based line; the end of the file for the line after the last."""
        return self._starts[min(line - 1, len(self._starts) - 1)]

    def offset(self, line: int, column_bytes: int) -> int:
        """The character that a node's line and column, which count UTF-8 bytes, name."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        if not text.isascii():
            column_bytes = len(text.encode()[:column_bytes].decode(errors="ignore"))
        return self._starts[line - 1] + column_bytes


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
