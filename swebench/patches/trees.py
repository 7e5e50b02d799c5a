"""Trees of a repository and of patches on them, without a checkout and without writing to the repository.

A Scratch is a repository of its own in a temporary folder, with the objects of the other behind its own and
nothing of that one's configuration. Patches are applied to its index, so nothing a patch says can reach the
file system.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from swebench.errors import CommitMissing, GitFailed, PatchDoesNotApply
from swebench.patches.plumbing import Git, output

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_BLOBS_AT_ONCE = 256

_CONFIG = {
    40: "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    64: "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n",
}
"""By the digits of an object's id."""

MAX_PATH_BYTES = 512
_MAX_NAME_BYTES = 255

_OBJECTS = re.compile(
    r"^(?:failed|unable) to (?:read|unpack) |^could not fetch |^invalid object |^inflate: |is corrupt$"
)
_MACHINE = re.compile(
    r": (?:No space left on device|Disk quota exceeded|Permission denied|Read-only file system"
    r"|Input/output error|Cannot allocate memory|Too many open files)$"
    r"|^[Oo]ut of memory|^insufficient permission|^(?:unable|failed) to (?:create|write) |^git ended with "
)
"""Complaints of git that are not about the patch."""

REGULAR, EXECUTABLE, SYMLINK = "100644", "100755", "120000"
ABSENT = "000000"


@dataclass(frozen=True)
class Entry:
    """One file of a tree: git's mode (six octal digits), blob id, and path as git stores it."""

    mode: str
    blob: str
    path: str


@dataclass(frozen=True)
class Change:
    """A path whose entry differs between two trees; a mode is ABSENT where there is no such file."""

    path: str
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str


class Scratch:
    """A place to build trees on top of a commit; use as a context manager.

    `base` is the tree of the commit. Raises CommitMissing on entering when the repository lacks the commit.
    """

    def __init__(self, git: Git, base_commit: str) -> None:
        if not _COMMIT.fullmatch(base_commit):
            raise CommitMissing(
                f"{base_commit[:80]!r} is not a commit id: 7 to 64 hexadecimal digits are expected"
            )
        self._repository = git
        self._commit = base_commit
        self._own = git
        self.base = ""

    def __enter__(self) -> Self:
        inside = output(self._repository, "rev-parse", "--git-path", "objects").decode().rstrip("\n")
        objects = self._repository.directory / inside
        tree = ("rev-parse", "--verify", "--quiet", f"{self._commit}^{{tree}}")
        try:
            self.base = output(self._repository, *tree).decode().strip()
        except GitFailed:
            raise CommitMissing(
                f"commit {self._commit} is not in the repository {self._repository.directory}: "
                "update it, or name another base commit"
            ) from None
        self._folder = tempfile.TemporaryDirectory(prefix="scratch-", ignore_cleanup_errors=True)
        root = Path(self._folder.name)
        (root / "objects" / "info").mkdir(parents=True)
        (root / "refs").mkdir()
        (root / "objects" / "info" / "alternates").write_text(f"{objects}\n", "utf-8")
        (root / "HEAD").write_text("ref: refs/heads/main\n")
        (root / "config").write_text(_CONFIG[len(self.base)])
        self._own = self._repository.at(root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def apply(self, patch: str, tree: str, *options: str) -> str:
        """The tree that `patch` makes of `tree` by `git apply` with further options.

        Raises PatchDoesNotApply with the reason, mostly git's, and GitFailed where the repository or the
        machine is at fault, which says nothing of the patch.
        """
        self._read(tree)
        command = ("apply", "--cached", "--whitespace=nowarn", *options, "--numstat", "--apply", "-z", "-")
        try:
            # To merge, git writes files where it runs, though it was told to see to the index alone.
            with tempfile.TemporaryDirectory(dir=self._folder.name) as aside:
                counted = self._git("-C", aside, *command, stdin=as_bytes(patch))
            for line in filter(None, counted.split(b"\0")):
                check_length(line.split(b"\t", 2)[2])
            return self.write_tree()
        except GitFailed as failed:
            if _OBJECTS.search(str(failed)):
                raise GitFailed(f"{failed} ({self._mending})") from None
            if _MACHINE.search(str(failed)):
                raise
            raise PatchDoesNotApply(str(failed)) from None

    def write_tree(self) -> str:
        """The tree of the index; what a clone lacks of its contents does not matter here."""
        return self._git("write-tree", "--missing-ok").decode().strip()

    def _read(self, tree: str) -> None:
        # What a git that died on a patch left; nobody else has this index.
        (Path(self._folder.name) / "index.lock").unlink(missing_ok=True)
        self._git("read-tree", tree)

    def add(self, content: bytes) -> str:
        """The id of a blob with this content."""
        return self._git("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def put(self, tree: str, entries: Iterable[Entry]) -> str:
        """`tree` with these entries in place of those at their paths; a mode ABSENT takes one away."""
        self._read(tree)
        lines = b"".join(_encode(f"{each.mode} {each.blob}\t{each.path}") + b"\0" for each in entries)
        self._git("update-index", "-z", "--index-info", stdin=lines)
        return self.write_tree()

    def overlay(self, tree: str, other: str) -> str:
        """`tree`, with every path that `other` changes against the base taken from `other`.

        A file of `tree` that stands where such a path needs a folder gives way.
        """
        return self.put(
            tree, [Entry(each.new_mode, each.new_blob, each.path) for each in self.changes(self.base, other)]
        )

    def changes(self, old: str, new: str) -> tuple[Change, ...]:
        """The paths that differ between two trees, in git's order; a rename is a deletion and an addition."""
        fields = self._git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", old, new).split(
            b"\0"
        )
        found = []
        for header, path in zip(fields[0::2], fields[1::2], strict=False):
            old_mode, new_mode, old_blob, new_blob, _ = header.decode("ascii").lstrip(":").split(" ")
            found.append(Change(_decode(path), old_mode, new_mode, old_blob, new_blob))
        return tuple(found)

    def entries(self, tree: str) -> Iterator[Entry]:
        """Every file, symbolic link and submodule of a tree."""
        for line in self._git("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0"):
            if line:
                header, _, path = line.partition(b"\t")
                mode, _, blob = header.decode("ascii").split(" ")
                yield Entry(mode, blob, _decode(path))

    def blobs(self, ids: list[str]) -> Iterator[bytes]:
        """The contents of blobs, in the order of their ids."""
        for start in range(0, len(ids), _BLOBS_AT_ONCE):
            wanted = ids[start : start + _BLOBS_AT_ONCE]
            found = self._git("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in wanted).encode())
            position = 0
            for blob in wanted:
                end = found.index(b"\n", position)
                header = found[position:end].split(b" ")
                if len(header) != 3:
                    raise GitFailed(f"object {blob} is missing ({self._mending})")
                size = int(header[2])
                yield found[end + 1 : end + 1 + size]
                position = end + 1 + size + 1

    @property
    def _mending(self) -> str:
        here = self._repository.directory
        return f"the clone is a partial one or damaged: git -C {here} fetch --refetch --no-filter"

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return output(self._own, *arguments, stdin=stdin)


def check_length(path: bytes) -> None:
    """Raise PatchDoesNotApply for a path that is longer than a tree may have."""
    # Git goes down a path by recursion, and of one with thousands of folders it dies.
    if len(path) > MAX_PATH_BYTES or max(map(len, path.split(b"/"))) > _MAX_NAME_BYTES:
        raise PatchDoesNotApply(
            f"{_decode(path[:60])!r}… has {len(path)} bytes: a path may have {MAX_PATH_BYTES}, "
            f"and each name in it {_MAX_NAME_BYTES}"
        )


def as_bytes(patch: str) -> bytes:
    """A patch as git gets it: text from JSON can hold lone surrogates, whose bytes match nothing."""
    return patch.encode("utf-8", "surrogatepass")


def _decode(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _encode(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
