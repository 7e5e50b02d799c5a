"""A parsed file as the catalogue reads it: where each node stands, what encloses it, what is in scope."""

import ast
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property

from swebench.catalogue.issue import Shown
from swebench.catalogue.layout import Layout
from swebench.patches.source import parse

Function = ast.FunctionDef | ast.AsyncFunctionDef
_GROUPING = ast.BoolOp | ast.BinOp | ast.Compare | ast.UnaryOp


class Code(Layout):
    """A Python file that parses.

    Args:
        mentioned: Names that the issue mentions, which an edit may bring in though the file lacks them.
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
        super().__init__(source)
        self.mentioned = tuple(dict.fromkeys(mentioned))
        self.quoted = tuple(dict.fromkeys(quoted))
        self.dotted = tuple(dict.fromkeys(dotted))
        self.shown = shown
        self.tree = parse(source)
        self._parents = {
            child: parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)
        }

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


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
