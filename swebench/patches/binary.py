"""A change in git's form for binary files: ASCII alone, so that any text can carry it, exact in every byte.

For lines that are not UTF-8, which neither JSON nor the official harness can hold. The change is told in
comments too, which git passes over, for whoever reads the patch.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHUNK = len(_LETTERS)
"""Bytes in a line, whose number its first letter tells."""


def binary_diff(header: str, before: bytes, after: bytes, readable: str) -> str:
    """The diff under git's `header` line that turns the whole file from `before` into `after`.

    The names of both are SHA-1, so a repository with SHA-256 refuses it. `readable` becomes the comments.
    """
    comments = "".join(f"# {line}\n" for line in re.split(r"[\r\n]+", readable) if line)
    index = f"index {_name(before)}..{_name(after)}\n"
    return f"{comments}{header}{index}GIT binary patch\n{_literal(after)}{_literal(before)}"


def _name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data), usedforsecurity=False).hexdigest()


def _literal(data: bytes) -> str:
    return f"literal {len(data)}\n{''.join(_encoded(zlib.compress(data)))}\n"


def _encoded(packed: bytes) -> Iterator[str]:
    for start in range(0, len(packed), _CHUNK):
        chunk = packed[start : start + _CHUNK]
        yield f"{_LETTERS[len(chunk) - 1]}{base64.b85encode(chunk, pad=True).decode()}\n"
