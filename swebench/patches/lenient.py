"""Applies a patch as the official harness does: where `git apply` refuses it, with what that tries then.

Its commands (swebench 5.0.2, `GIT_APPLY_CMDS`) are `git apply`, the same with `--3way`, the same with
`--reject`, which accepts nothing that the first refuses, and `patch --fuzz=5`, each on a tree that the one
before has not touched. GNU patch sees a folder with the files that the patch names and nothing else.
"""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swebench.errors import GitFailed, PatchDoesNotApply
from swebench.patches.paths import path_problem
from swebench.patches.trees import ABSENT, EXECUTABLE, REGULAR, Entry, Scratch, as_bytes, check_length

_THREE_WAY = "git apply --3way"
_FUZZY_NAME = "patch --fuzz=5"
_FUZZY = ("patch", "--batch", "--forward", "--fuzz=5", "-p1")
# Not the harness's: a patch that is no unified diff could be a script for `ed`, and what is beside the files
# is not wanted.
_OURS = ("--unified", "--no-backup-if-mismatch", "--reject-file=-", "--input=-")
_TIMEOUT_S = 60.0
_NAMED = re.compile(
    r"^(?:--- |\+\+\+ |\*\*\* |Index: |rename (?:from|to) |copy (?:from|to) |diff --git )(.*)$", re.MULTILINE
)
_LINK = re.compile(r"^(?:(?:new|old|deleted) (?:file )?mode|index \S+) 1[26]0000\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Applied:
    """The tree that a patch makes, and the harness's command that took it; where that is not `git apply`
    alone, why `git apply` refuses it."""

    tree: str
    command: str = "git apply"
    refusal: str = ""


def apply_as_harness(scratch: Scratch, patch: str, tree: str) -> Applied:
    """What the official harness makes of `tree` with a patch.

    Raises PatchDoesNotApply with what `git apply` says where none of its commands takes the patch, and
    GitFailed as `Scratch.apply` does, or where `patch` takes too long.
    """
    try:
        return Applied(scratch.apply(patch, tree))
    except PatchDoesNotApply as refused:
        refusal = str(refused)
    try:
        return Applied(scratch.apply(patch, tree, "--3way"), _THREE_WAY, refusal)
    except PatchDoesNotApply:
        pass
    if not shutil.which(_FUZZY[0]):
        raise PatchDoesNotApply(
            f"{refusal}; GNU patch, which the official harness tries then, is not installed"
        )
    if made := _fuzzily(scratch, patch, tree):
        return Applied(made, _FUZZY_NAME, refusal)
    raise PatchDoesNotApply(refusal)


def _fuzzily(scratch: Scratch, patch: str, tree: str) -> str | None:
    """The tree that GNU patch makes; None where it refuses, or would be led out of the folder."""
    names = {name for line in _NAMED.findall(patch) for name in _names(line)} - {"", "/dev/null"}
    if not names or _LINK.search(patch) or any(path_problem(name) for name in names):
        return None
    for name in names:
        check_length(name.encode("utf-8", "surrogatepass"))
    inside = {name.partition("/")[2] for name in names}
    there = {e.path: e for e in scratch.entries(tree) if e.path in inside and e.mode in {REGULAR, EXECUTABLE}}
    with tempfile.TemporaryDirectory(prefix="patch-", ignore_cleanup_errors=True) as folder:
        for entry, data in zip(there.values(), scratch.blobs([e.blob for e in there.values()]), strict=True):
            path = Path(folder, entry.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755 if entry.mode == EXECUTABLE else 0o644)
        try:
            done = subprocess.run(
                [*_FUZZY, *_OURS], cwd=folder, input=as_bytes(patch), capture_output=True,
                timeout=_TIMEOUT_S, check=False, env={"PATH": os.defpath, "LC_ALL": "C", "TMPDIR": folder},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise GitFailed(f"{_FUZZY_NAME} took over {_TIMEOUT_S:g} s") from None
        if done.returncode != 0:
            return None
        made = {entry.path: entry for entry in _entries(scratch, Path(folder))}
    gone = [Entry(ABSENT, "0" * len(tree), path) for path in there.keys() - made.keys()]
    changed = [*gone, *(entry for path, entry in made.items() if there.get(path) != entry)]
    after = scratch.put(tree, changed)
    # Git leaves a path out that it would not check out, such as a spelling of its own folder.
    kept = {change.path for change in scratch.changes(tree, after)}
    return after if kept == {entry.path for entry in changed} else None


def _names(line: str) -> Iterator[str]:
    """The file names of a header line; of one that names two each half."""
    name = line.rstrip("\r").split("\t")[0].strip()
    yield from name.split(" ") if name.startswith("a/") and " b/" in name else [name]


def _entries(scratch: Scratch, folder: Path) -> Iterator[Entry]:
    for base, _, files in os.walk(folder):
        for name in files:
            path = Path(base, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                kind = EXECUTABLE if mode & stat.S_IXUSR else REGULAR
                yield Entry(kind, scratch.add(path.read_bytes()), str(path.relative_to(folder)))
