"""Two versions of a text → a unified diff that git applies byte for byte.

The model never writes a diff: the system does, from the edited text. Lines end at a line feed and nowhere
else, as git counts them, so carriage returns, form feeds and a missing final newline survive.
"""

import difflib
import re

from swebench.errors import UnsafePath
from swebench.patches.paths import path_problem

# Git would quote such a path in a header, and the readers of diffs disagree on how to read it back.
_NEEDS_QUOTING = re.compile(r'[\x00-\x1f\x7f"\\]|[^\S ]|[\ud800-\udfff]')

_NO_NEWLINE = "\n\\ No newline at end of file\n"


def unified_diff(path: str, before: str, after: str) -> str:
    """The diff, in git's form, that turns the file `path` (relative, with slashes) from `before` into
    `after`.

    Both are the text of an existing file; three lines of context; empty when they are equal. Diffs of
    different files join by concatenation. Raises UnsafePath for a path that leaves the tree or needs quoting.
    """
    if problem := path_problem(path):
        raise UnsafePath(f"{problem}: a diff may change files of the tree only")
    if _NEEDS_QUOTING.search(path):
        raise UnsafePath(f"{path!r} holds characters that a diff cannot name: rename the file")
    if before == after:
        return ""
    # Git ends a file name that holds a space with a tab, so that a date after it cannot be meant.
    tab = "\t" if " " in path else ""
    hunks = list(difflib.unified_diff(_lines(before), _lines(after), n=3))[2:]
    body = "".join(line if line.endswith("\n") else line + _NO_NEWLINE for line in hunks)
    return f"diff --git a/{path} b/{path}\n--- a/{path}{tab}\n+++ b/{path}{tab}\n{body}"


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
