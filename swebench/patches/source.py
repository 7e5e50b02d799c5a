"""What counts as Python that parses, and as the same Python."""

import ast
import threading
import warnings
from functools import lru_cache

_warnings_lock = threading.Lock()


def is_python(path: str) -> bool:
    """Whether a path is a Python source or stub."""
    return path.endswith((".py", ".pyi"))


def syntax_fault(source: str | bytes) -> SyntaxError | None:
    """Why `source` does not parse, or None; bytes are decoded by their own coding line or mark."""
    try:
        parse(source)
    except SyntaxError as fault:
        return fault
    return None


def same_code(before: str | bytes, after: str | bytes) -> bool:
    """Whether two sources have equal syntax trees, and so differ in layout and comments at most.

    A source that does not parse is the same only as one that is equal but for white space.
    """
    try:
        return dumped(before) == ast.dump(parse(after))
    except SyntaxError:
        return before.split() == after.split()


@lru_cache(maxsize=4)
def dumped(source: str | bytes) -> str:
    """The syntax tree in words; kept for a while, because many edits of one file are compared with it.

    Raises SyntaxError.
    """
    return ast.dump(parse(source))


def parse(source: str | bytes) -> ast.Module:
    """The syntax tree; raises SyntaxError for whatever keeps `source` from having one."""
    text = source.removeprefix("\ufeff") if isinstance(source, str) else source
    # The parser warns of doubtful escapes, which is not ours to print; the filters belong to all threads.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or "too deeply nested") from None
