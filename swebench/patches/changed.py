"""Which lines of which files a patch changes."""

from collections.abc import Iterator

import unidiff

from swebench.errors import InvalidTask


def changed_lines(patch: str) -> dict[str, frozenset[int]]:
    """Path of an existing file to the lines that a patch removes, or inserts after; 1-based.

    Files that it creates are left out. Raises InvalidTask for what is no unified diff.
    """
    try:
        files = unidiff.PatchSet(patch)
    except unidiff.UnidiffParseError as error:
        raise InvalidTask(f"its patch cannot be read: {error}") from None
    return {
        file.source_file.removeprefix("a/"): frozenset(_changed(file))
        for file in files
        if not file.is_added_file
    }


def _changed(file: unidiff.PatchedFile) -> Iterator[int]:
    for hunk in file:
        before = hunk.source_start
        for line in hunk:
            if line.is_removed:
                yield line.source_line_no
            if line.is_added:
                yield max(before - 1, 1)
            else:
                before = line.source_line_no + 1
