"""A fault that a patch puts into a repository, as commits of a repository beside it: for rows of SWE-smith.

As in its own copies, the tests that the fault breaks are taken out of the base commit, so that nothing that
solves the task sees them; the test patch brings them back.
"""

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from swebench.errors import GitFailed, PatchDoesNotApply
from swebench.patches.plumbing import Git, output


@dataclass(frozen=True)
class Planted:
    """A base commit with the fault and without the tests that it breaks, and patches on top of it."""

    commit: str
    gold: str
    test_patch: str


def plant(git: Git, beside: Git, base: str, patch: str, hidden: Collection[str]) -> Planted:
    """Commit the fault of `patch` on the commit `base` to a bare repository, which is made if need be.

    `hidden` are paths of tests to take out. The commit is the same wherever it is made. Raises
    PatchDoesNotApply, GitFailed.
    """
    _borrow(git, beside)
    with tempfile.TemporaryDirectory(prefix="planting-") as folder:
        variables = {"GIT_INDEX_FILE": str(Path(folder, "index")), "GIT_WORK_TREE": folder}

        def run(*arguments: str, stdin: bytes = b"") -> bytes:
            return output(beside, *arguments, stdin=stdin, variables=variables)

        run("read-tree", base)
        try:
            run("apply", "--cached", "-", stdin=patch.encode())
        except GitFailed as failed:
            raise PatchDoesNotApply(f"the patch that puts the fault in: {failed}") from None
        faulty = run("write-tree").decode().strip()
        names = "\0".join(sorted(hidden))
        if names:
            run("update-index", "--force-remove", "-z", "--stdin", stdin=names.encode() + b"\0")
        bare = run("write-tree").decode().strip()
        date = run("show", "--no-patch", "--format=%cI", base).decode().strip()
        signed = {
            f"GIT_{role}_{what}": date if what == "DATE" else "planted"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL", "DATE")
        }
        message = ("commit-tree", bare, "-p", base, "-m", "A fault")
        commit = output(beside, *message, variables=variables | signed).decode().strip()
        whole = ("diff", "--binary", "--full-index", "--no-renames")
        return Planted(
            commit,
            run(*whole, faulty, base).decode("utf-8", "surrogateescape"),
            run(*whole, bare, faulty).decode("utf-8", "surrogateescape"),
        )


def _borrow(git: Git, beside: Git) -> None:
    """An empty bare repository that finds all objects of another behind its own."""
    if not (beside.directory / "HEAD").exists():
        beside.directory.mkdir(parents=True, exist_ok=True)
        output(beside, "init", "--quiet", "--bare", "--template=")
    inside = output(git, "rev-parse", "--git-path", "objects").decode().rstrip("\n")
    objects = (git.directory / inside).resolve()
    information = beside.directory / "objects" / "info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "alternates").write_text(f"{objects}\n", "utf-8")
