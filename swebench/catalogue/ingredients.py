"""What a file already says and a repair may say again: conditions, keywords of calls, names."""

import ast
import builtins
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

from swebench.catalogue.code import Code, Function

_LONGEST = 80  # characters
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True)
class _Condition:
    text: str
    names: frozenset[str]
    line: int


class Ingredients:
    """The ingredients of one file, each gathered when first asked for."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def conditions_for(self, node: ast.AST, most: int) -> list[str]:
        """The nearest conditions of the file whose names are known where a node stands."""
        code, function = self._code, self._code.function_of(node)
        known = {*code.module_names, *_BUILTINS}
        if function:
            known |= {*code.locals(function), *(argument.arg for argument in function.args.args)}
        line = getattr(node, "lineno", getattr(getattr(node, "target", None), "lineno", 0))
        fitting = [each for each in self._conditions if each.names <= known]
        fitting.sort(key=lambda each: abs(each.line - line))
        return list(dict.fromkeys(each.text for each in fitting))[:most]

    def keywords_of(self, name: str) -> list[str]:
        """`keyword=value` as calls of a name give it, most frequent first, and as its definition admits."""
        return [text for text, _ in self._keywords[name].most_common()]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name, attribute and parameter of the file."""
        found = set(self._code.attributes)
        for node in ast.walk(self._code.tree):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
        return frozenset(found)

    @cached_property
    def _conditions(self) -> list[_Condition]:
        found = []
        for node in ast.walk(self._code.tree):
            if isinstance(node, ast.If | ast.While | ast.IfExp):
                operands = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
                for operand in operands:
                    text = self._code.text(operand)
                    if len(text) <= _LONGEST and not isinstance(operand, ast.Constant | ast.BoolOp):
                        names = frozenset(n.id for n in ast.walk(operand) if isinstance(n, ast.Name))
                        found.append(_Condition(text, names, operand.lineno))
        return found

    @cached_property
    def _keywords(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for node in ast.walk(self._code.tree):
            if isinstance(node, ast.Call):
                for each in node.keywords:
                    text = f"{each.arg}={self._code.text(each.value)}"
                    if each.arg and len(text) <= _LONGEST:
                        found[called_name(node)][text] += 1
            elif isinstance(node, Function):
                for parameter, default in defaults_of(node):
                    value = default.value if isinstance(default, ast.Constant) else None
                    given = not value if isinstance(value, bool) else parameter.arg
                    found[node.name][f"{parameter.arg}={given}"] += 1
        return found


def called_name(call: ast.Call) -> str:
    """The last part of what a call names; "" for a call of anything else."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def defaults_of(function: Function) -> list[tuple[ast.arg, ast.expr]]:
    """The parameters that have a default, with it."""
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True)]
    return [*pairs, *((a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d)]
