"""Two versions of a text → a unified diff that git applies byte for byte.

The model never writes a diff: the system does, from the edited text. Lines end at a line feed and nowhere
else, as git counts them, so carriage returns, form feeds and a missing final newline survive. A diff is text,
and leaves as UTF-8; of a file in another encoding it shows lines that are UTF-8 too, and where one that is
not would have to stand in it, the change is told in git's form for binary files, which is ASCII.
"""

import difflib
import re
from collections.abc import Iterator, Sequence

from swebench.errors import UnsafePath
from swebench.patches.binary import binary_diff
from swebench.patches.paths import path_problem
from swebench.patches.source import encoded

# Git would quote such a path in a header, and the readers of diffs disagree on how to read it back.
_NEEDS_QUOTING = re.compile(r'[\x00-\x1f\x7f"\\]|[^\S ]|[\ud800-\udfff]')
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_NO_NEWLINE = "\n\\ No newline at end of file\n"
_CONTEXTS = (3, 1)
"""Lines of context: git's own, and where one of them is not UTF-8 as few as git takes."""


def unified_diff(path: str, before: str, after: str) -> str:
    """The diff, in git's form, that turns the file `path` (relative, with slashes) from `before` into
    `after`.

    Both are the text of an existing file; three lines of context, fewer before or after those that are not
    UTF-8; empty when they are equal. Diffs of different files join by concatenation. Raises UnsafePath for a
    path that leaves the tree or needs quoting, SyntaxError for text that the file's encoding does not have.
    """
    if problem := path_problem(path):
        raise UnsafePath(f"{problem}: a diff may change files of the tree only")
    if _NEEDS_QUOTING.search(path):
        raise UnsafePath(f"{path!r} holds characters that a diff cannot name: rename the file")
    if before == after:
        return ""
    old, new = encoded(path, before), encoded(path, after)
    header = f"diff --git a/{path} b/{path}\n"
    # Git ends a file name that holds a space with a tab, so that a date after it cannot be meant.
    tab = "\t" if " " in path else ""
    for context in _CONTEXTS:
        body = "".join(_hunks(_lines(old), _lines(new), context))
        if not _NOT_UTF8.search(body):
            return f"{header}--- a/{path}{tab}\n+++ b/{path}{tab}\n{body}"
    readable = "".join(_hunks(_lines(before.encode()), _lines(after.encode()), _CONTEXTS[0]))
    return binary_diff(header, old, new, readable)


def _lines(data: bytes) -> list[str]:
    """The lines as git counts them; a byte that is not UTF-8 is a lone surrogate."""
    lines = [line + "\n" for line in data.decode("utf-8", "surrogateescape").split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _hunks(old: Sequence[str], new: Sequence[str], context: int) -> Iterator[str]:
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(context):
        changes = _without_foreign_context(group, old)
        (_, i1, _, j1, _), (_, _, i2, _, j2) = changes[0], changes[-1]
        yield f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n"
        for tag, first, last, start, end in changes:
            if tag == "equal":
                yield from (_line(" ", line) for line in old[first:last])
            else:
                yield from (_line("-", line) for line in old[first:last])
                yield from (_line("+", line) for line in new[start:end])


_Opcode = tuple[str, int, int, int, int]


def _without_foreign_context(group: Sequence[_Opcode], old: Sequence[str]) -> list[_Opcode]:
    """A hunk without the context before and after it that is not UTF-8, and what lies beyond.

    One line must be left after a change that is not at the end of the file, since git would take the hunk for
    one that is, and one of the file's at all.
    """
    changes = list(group)
    tag, i1, i2, j1, j2 = changes[0]
    if tag == "equal":
        skipped = max((n + 1 for n in range(i2 - i1) if _NOT_UTF8.search(old[i1 + n])), default=0)
        skipped -= skipped > 0 and i1 + skipped == group[-1][2]
        changes[0] = (tag, i1 + skipped, i2, j1 + skipped, j2)
    tag, i1, i2, j1, j2 = changes[-1]
    if tag == "equal":
        kept = next((n for n in range(i2 - i1) if _NOT_UTF8.search(old[i1 + n])), i2 - i1)
        kept = max(kept, 1)
        changes[-1] = (tag, i1, i1 + kept, j1, j1 + kept)
    return changes


def _range(start: int, end: int) -> str:
    """Lines start..end (from 0, exclusive) as a hunk's header names them."""
    length = end - start
    return f"{start + 1}" if length == 1 else f"{start + 1 if length else start},{length}"


def _line(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else mark + line + _NO_NEWLINE
