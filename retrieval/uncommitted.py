"""What of a working tree is in no commit yet, so that nobody sees it who reads the repository through git."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from retrieval.errors import GitFailed
from retrieval.gitio import Git, complaint, environment


def uncommitted(git: Git, checkout: Path, paths: Sequence[str] = ()) -> list[str]:
    """The files of a working tree, or those of `paths`, that differ from its last commit.

    Tracked files that are changed, staged, gone or in conflict, and Python files that git was never told of,
    but for those of environments. Submodules are passed over: they are repositories of their own.

    Raises:
        GitFailed: git cannot tell.
    """
    asked = ["status", "--porcelain", "-z", "--no-renames", "-uall", "--ignore-submodules=all"]
    variables = _without_filters(git) | {"GIT_WORK_TREE": str(checkout)}
    done = git.run("-C", str(checkout), *asked, "--", *paths, variables=variables)
    if done.returncode != 0:
        raise GitFailed(f"git status in {checkout} failed: {complaint(done)}")
    lines = [line.decode("utf-8", "replace") for line in done.stdout.split(b"\0") if line]
    return [line[3:] for line in lines if not line.startswith("??") or _is_source(line[3:])]


def _is_source(path: str) -> bool:
    return path.endswith(".py") and "site-packages" not in PurePosixPath(path).parts


def _without_filters(git: Git) -> dict[str, str]:
    """The variables under which git runs none of the programs that the repository's configuration names as
    filters of its files."""
    named = git.run("config", "--null", "--name-only", "--get-regexp", r"^filter\.").stdout
    names = dict.fromkeys(name.decode("utf-8", "surrogateescape") for name in named.split(b"\0") if name)
    first = int(environment()["GIT_CONFIG_COUNT"])
    found = {"GIT_CONFIG_COUNT": str(first + len(names))}
    for number, name in enumerate(names, first):
        value = "false" if name.endswith(".required") else ""
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found
