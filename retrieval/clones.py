"""What kind of clone a repository is, and the command that brings in what such a one lacks.

The program fetches nothing itself: a repository may be somebody else's, and its remote too.
"""

import os
import re
from pathlib import Path

from retrieval.gitio import Git, asked

_REMOTE = re.compile(r"remote\.(.+)\.(?:url|promisor)\n")
_PROMISOR = re.compile(r"remote\.(.+)\.promisor(?:\n(?:true|yes|on|1))?\0", re.IGNORECASE)


def without_objects(git: Git) -> str:
    """What a repository is that lacks objects of a commit, and what brings them in: the end of a sentence."""
    if gone := _gone_alternate(git):
        return f"it borrows objects from {gone}, which is not there: put that back, or clone again in full"
    configured = _configured(git)
    if partial := _PROMISOR.search(configured):
        return f"it is a partial clone: git -C {git.directory} fetch --refetch --no-filter {partial[1]}"
    if remote := _REMOTE.search(configured):
        return f"it is damaged: git -C {git.directory} fetch --refetch {remote[1]}"
    return "it is damaged, and has no remote to fetch from: clone it again in full"


def without_commit(git: Git) -> str:
    """The same for one that does not hold a commit."""
    if _gone_alternate(git):
        return without_objects(git)
    if has_no_commit(git):
        return "nothing was committed there yet: git add --all && git commit"
    if (_common(git) / "shallow").is_file():
        return f"it is a shallow clone: git -C {git.directory} fetch --unshallow"
    if remote := _REMOTE.search(_configured(git)):
        return f"check the hash, or bring it up to date: git -C {git.directory} fetch {remote[1]}"
    return f"check the hash: git -C {git.directory} log --all"


def missing_objects(git: Git, commit: str) -> frozenset[str]:
    """The ids of those objects of a commit's tree that are not here."""
    listed = git("rev-list", "--objects", "--missing=print", "--no-walk", commit, "--")
    return frozenset(line[1:].decode() for line in listed.split(b"\n") if line[:1] == b"?")


def has_no_commit(git: Git) -> bool:
    """Whether no branch, and no HEAD, has a commit."""
    head = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return head.returncode != 0 and not git("for-each-ref", "--count=1")


def why_not_opened(folder: Path) -> str:
    """Why there is no repository whose top folder this is, as the end of a sentence."""
    if not folder.is_dir():
        return "there is no such folder"
    top = asked(folder, "rev-parse", "--show-toplevel")
    if top.returncode == 0 and top.stdout.strip():
        outer = os.fsdecode(top.stdout.removesuffix(b"\n"))
        if asked(folder, "ls-files", "--stage", "--", ".").stdout.startswith(b"160000 "):
            return f"it is a submodule that was not checked out: git -C {outer} submodule update --init"
        return f"it is a part of the repository {outer}: name that"
    said = top.stderr.decode(errors="replace").strip().split("\n")[0].removeprefix("fatal: ")
    return f"git says of it: {said}" if (folder / ".git").exists() else "there is none"


def _common(git: Git) -> Path:
    """The folder that a linked worktree shares with the others."""
    return git.directory / os.fsdecode(git("rev-parse", "--git-common-dir").rstrip(b"\n"))


def _configured(git: Git) -> str:
    return git.run("config", "--null", "--get-regexp", r"^remote\.").stdout.decode(errors="replace")


def _gone_alternate(git: Git) -> str:
    objects = _common(git) / "objects"
    listed = objects / "info" / "alternates"
    named = os.fsdecode(listed.read_bytes()).splitlines() if listed.is_file() else []
    return next((each for each in named if each and each[0] != "#" and not (objects / each).is_dir()), "")
