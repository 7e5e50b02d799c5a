"""What an edited file must be to become a patch: Python that parses, is other code, and knows its names."""

import ast
from collections import Counter
from functools import lru_cache

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedLocal, UndefinedName

from swebench.patches.source import dumped, parse


def refusal(before: str, after: str) -> str:
    """Why `after` may not replace `before`, both the text of a Python file that parsed, or "" if it may.

    The words are those of a rejected replacement: does_not_parse, no_op, and undefined_name for a name that
    nothing binds and that was not unbound before.
    """
    try:
        tree = parse(after)
    except SyntaxError:
        return "does_not_parse"
    if ast.dump(tree) == dumped(before):
        return "no_op"
    return "undefined_name" if _unbound(tree) - _unbound_before(before) else ""


@lru_cache(maxsize=8)
def _unbound_before(source: str) -> Counter[str]:
    return _unbound(parse(source))


def _unbound(tree: ast.Module) -> Counter[str]:
    return Counter(
        str(message.message_args[0])
        for message in Checker(tree).messages
        if isinstance(message, UndefinedName | UndefinedLocal)
    )
