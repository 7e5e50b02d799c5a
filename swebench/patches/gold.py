"""What a gold patch changes: where a repair of an instance had to be.

Benchmarks, reports and grading read gold patches; nothing that solves a task does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import unidiff

from swebench.errors import InvalidTask
from swebench.patches.changed import changed_lines


@dataclass(frozen=True)
class Gold:
    """`lines`: path of an existing file to the lines that the patch removes, or inserts after."""

    lines: Mapping[str, frozenset[int]]

    @classmethod
    def of(cls, patch: str) -> "Gold":
        """Read a patch; files that it creates cannot be found and do not count.

        Raises:
            InvalidTask: no patch, or one that changes no file that was there.
        """
        lines = changed_lines(patch)
        if not lines:
            raise InvalidTask("it has no gold patch that changes a file, so nothing is there to be found")
        return cls(lines)


def after(patch: str) -> list[str]:
    """The paths that a patch leaves changed or new, in its order; empty for one that cannot be read."""
    try:
        return [file.path for file in unidiff.PatchSet(patch) if not file.is_removed_file]
    except unidiff.UnidiffParseError:
        return []


def last_rank(paths: Sequence[str], gold: Collection[str]) -> int | None:
    """The rank of the gold file that comes last; None unless all of them are there."""
    ranks = [rank for rank, path in enumerate(paths, 1) if path in gold]
    return ranks[-1] if ranks and len(ranks) == len(gold) else None
