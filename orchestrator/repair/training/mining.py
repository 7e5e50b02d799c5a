"""Small repairs from the history of repositories: what the ranking of edits is learned from.

A commit counts when its message speaks of a fault and it changes a few lines of one Python file that is no
test. The message and the lines it adds to tests stand in for the issue, since issues show code as tests do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from retrieval.gitio import Git
from retrieval.paths import is_test

MAX_CHANGED = 3
"""Lines that come in, and lines that go."""
_MAX_FILES = 8
_MAX_FILE_BYTES = 400_000
_MAX_TEST_LINES = 60
_FAULT = re.compile(
    r"fix|bug|crash|incorrect|wrong|error|fail|issue|regress|broke|handle|#\d+", re.IGNORECASE
)
_NO_FAULT = re.compile(
    r"typo|docstring|\bdocs?\b|comment|spelling|flake|pep.?8|lint|bump|release|merge|revert", re.IGNORECASE
)
_TRAILER = re.compile(r"^(?:signed-off-by|co-authored-by|reviewed-by|git-svn-id|change-id):.*$", re.I | re.M)


@dataclass(frozen=True)
class MinedRepair:
    """A file before and after, and what stands in for the issue; `line` is the first changed one, from 1."""

    commit: str
    issue: str
    path: str
    before: str
    after: str
    line: int


def mined_repairs(git: Git, before: str = "", most: int = 10_000) -> Iterator[MinedRepair]:
    """The small repairs of a repository, newest first.

    Args:
        before: ISO date; commits from then on are left out, and with them all that a task of that time tells.
    """
    arguments = ["log", "--no-merges", "--raw", "--numstat", "--no-abbrev", "--no-renames", "-z"]
    log = git(*arguments, "--format=%x01%H%x02%B%x03", *([f"--before={before}"] if before else []))
    found = 0
    for record in log.decode("utf-8", "replace").split("\x01")[1:]:
        repair = _repair(git, record)
        if repair:
            yield repair
            found += 1
        if found == most:
            return


def _repair(git: Git, record: str) -> MinedRepair | None:
    head, _, stat = record.partition("\x03")
    commit, message = head.split("\x02", 1)
    if not _FAULT.search(message) or _NO_FAULT.search(message.partition("\n")[0]):
        return None
    fields = stat.strip("\0\n").split("\0")
    counts = [field.lstrip("\n").split("\t") for field in fields if field.count("\t") == 2]
    code = [count for count in counts if count[2].endswith(".py") and not is_test(count[2])]
    if len(code) != 1 or len(counts) > _MAX_FILES:
        return None
    added, removed, path = code[0]
    if not (added.isdigit() and removed.isdigit()) or max(int(added), int(removed)) > MAX_CHANGED:
        return None
    raw = next((a for a, b in pairwise(fields) if b == path and ":" in a[:3]), "")
    parts = raw.strip("\n").lstrip(":").split(" ")
    if len(parts) != 5 or parts[4] != "M":
        return None
    before, after = (_text(git, blob) for blob in parts[2:4])
    if not before or not after:
        return None
    line = _first_changed(before, after)
    tests = [count[2] for count in counts if is_test(count[2]) and count[2].endswith(".py")]
    issue = _TRAILER.sub("", message).strip() + _added(git, commit, tests)
    return MinedRepair(commit, issue, path, before, after, line)


def _text(git: Git, blob: str) -> str:
    found = git("cat-file", "blob", blob)
    return found.decode("utf-8", "replace") if len(found) <= _MAX_FILE_BYTES else ""


def _first_changed(before: str, after: str) -> int:
    pairs = enumerate(zip(before.split("\n"), after.split("\n"), strict=False), start=1)
    return next((number for number, (a, b) in pairs if a != b), 1)


def _added(git: Git, commit: str, tests: list[str]) -> str:
    if not tests:
        return ""
    diff = git("diff-tree", "-p", "-U0", "--no-commit-id", commit, "--", *tests)
    lines = [
        line[1:]
        for line in diff.decode("utf-8", "replace").split("\n")
        if line.startswith("+") and not line.startswith("+++") and line[1:].strip()
    ]
    return "\n\n```\n" + "\n".join(lines[:_MAX_TEST_LINES]) + "\n```\n" if lines else ""
