"""What counts as Python that parses and compiles, as the same Python, and which bytes its text stands for.

A file's text is its bytes in the encoding that it declares itself (PEP 263), with its byte order mark and its
line ends. So the text alone says which bytes it stands for, and nothing has to be kept beside it.
"""

import ast
import re
import subprocess
import threading
import tokenize
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from swebench.errors import EnvironmentUnavailable

_T = TypeVar("_T")
_warnings_lock = threading.RLock()
_TWO_LINES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)[^\r\n]*")


def is_python(path: str) -> bool:
    """Whether a path is a Python source or stub."""
    return path.endswith((".py", ".pyi"))


def encoding_of(text: str) -> str:
    """The encoding that a Python file's text declares; UTF-8 where it declares none.

    Raises SyntaxError for one that is unknown, or that its byte order mark contradicts.
    """
    found = _TWO_LINES.match(text)
    lines = iter(found.group().encode(errors="replace").splitlines(keepends=True) if found else ())
    return tokenize.detect_encoding(lambda: next(lines, b""))[0].removesuffix("-sig")


def encoded(path: str, text: str) -> bytes:
    """The bytes of a file with this text: Python in the encoding that it declares, others in UTF-8.

    Raises SyntaxError, which names the first character that the encoding does not have.
    """
    encoding = encoding_of(text) if is_python(path) else "utf-8"
    try:
        return text.encode(encoding)
    except LookupError:
        raise SyntaxError(f"{encoding} is no encoding of text") from None
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeEncodeError) else 0
        line = len(re.split(r"\r\n|\n|\r", text[:at]))
        raise SyntaxError(
            f"its encoding, {encoding}, has no {text[at : at + 1]!r}", (path, line, None, None)
        ) from None


def syntax_fault(source: str | bytes) -> SyntaxError | None:
    """Why `source` does not parse, or None; bytes are decoded by their own coding line or mark.

    A fragment may parse that is no program, such as a `return` outside of a function.
    """
    try:
        parse(source)
    except SyntaxError as fault:
        return fault
    return None


@lru_cache(maxsize=8)
def file_fault(source: str | bytes) -> SyntaxError | None:
    """Why Python does not compile a file, or None; kept for a while, because many edits of one are looked
    at."""
    try:
        data = encoded("a.py", source) if isinstance(source, str) else source
        _quietly(lambda: compile(data, "a.py", "exec", dont_inherit=True))
    except SyntaxError as fault:
        return fault.with_traceback(None)
    return None


_COMPILING = """
import sys
try:
    compile(sys.stdin.buffer.read(), "a.py", "exec")
except (SyntaxError, ValueError) as fault:
    sys.exit("line %s: %s" % (getattr(fault, "lineno", 1), getattr(fault, "msg", fault)))
"""


def fault_by(python: Path, data: bytes) -> str:
    """Why another Python, of any version, does not compile a file, in a few words; "" where it does.

    Nothing of the file is run. Raises EnvironmentUnavailable where that Python does not start or end.
    """
    command = [str(python), "-I", "-S", "-W", "ignore", "-c", _COMPILING]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentUnavailable(f"{python} does not run as a Python: {error}") from None
    return done.stderr.decode(errors="replace").strip().split("\n")[-1] if done.returncode else ""


def same_code(before: str | bytes, after: str | bytes) -> bool:
    """Whether two sources have equal syntax trees, and so differ in layout and comments at most.

    A source that does not parse, or is nested too deeply to be compared, is the same only as one that is
    equal but for white space.
    """
    try:
        return dumped(before) == _dump(after)
    except SyntaxError:
        return before.split() == after.split()


@lru_cache(maxsize=4)
def dumped(source: str | bytes) -> str:
    """The syntax tree in words; kept for a while, because many edits of one file are compared with it.

    Raises SyntaxError.
    """
    return _dump(source)


def _dump(source: str | bytes) -> str:
    return _quietly(lambda: ast.dump(parse(source)))


def parse(source: str | bytes) -> ast.Module:
    """The syntax tree; raises SyntaxError for whatever keeps `source` from having one."""
    text = source.removeprefix("\ufeff") if isinstance(source, str) else source
    return _quietly(lambda: ast.parse(text))


def _quietly(read: Callable[[], _T]) -> _T:
    # The parser warns of doubtful escapes, which is not ours to print; the filters belong to all threads.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or "too deeply nested") from None
