"""What an edited file must be to become a patch: Python that compiles, is other code, and knows its names."""

import ast
from collections import Counter
from functools import lru_cache
from typing import Literal

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedLocal, UndefinedName

from swebench.patches.source import encoding_of, file_fault, parse, same_code

Refusal = Literal["", "does_not_parse", "not_encodable", "no_op", "undefined_name"]


def refusal(before: str, after: str) -> Refusal:
    """Why `after` may not replace `before`, the text of a Python file that compiled, or "" if it may.

    The words are those of a rejected replacement: not_encodable for text that the file's encoding does not
    have, and for another encoding, which would make other text of all lines; does_not_parse; no_op; and
    undefined_name for a name that nothing binds and that was not unbound before.
    """
    if not encodable(before, after):
        return "not_encodable"
    if file_fault(after):
        return "does_not_parse"
    if same_code(before, after):
        return "no_op"
    return "undefined_name" if newly_unbound(before, after) else ""


def encodable(before: str, after: str) -> bool:
    """Whether a file's new text is in the encoding of the old one, and has its bytes there."""
    try:
        encoding = encoding_of(before)
        after.encode(encoding)
        return encoding_of(after) == encoding
    except (SyntaxError, UnicodeError, LookupError):
        return False


def newly_unbound(before: str | bytes, after: str | bytes) -> list[str]:
    """The names that nothing binds in `after`, and oftener than in `before`; both must parse.

    In code that is nested too deeply to be looked through there are none.
    """
    return sorted(_unbound(parse(after)) - _unbound_before(before))


@lru_cache(maxsize=8)
def _unbound_before(source: str | bytes) -> Counter[str]:
    return _unbound(parse(source))


def _unbound(tree: ast.Module) -> Counter[str]:
    try:
        messages = Checker(tree).messages
    except RecursionError:
        return Counter()
    return Counter(
        str(message.message_args[0])
        for message in messages
        if isinstance(message, UndefinedName | UndefinedLocal)
    )
