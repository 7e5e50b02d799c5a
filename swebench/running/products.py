"""What installing a project writes into its tree, and a tree of git's files alone lacks: metadata, version
files, compiled modules. It is added to each tree that tests run in.
"""

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from swebench.patches.plumbing import Git, output

_LEFT_BEHIND = re.compile(r"(^|/)(build|__pycache__)/|\.py[co]$")
_ENVIRONMENT = re.compile(r"(^|/)(\.?v?env|site-packages|node_modules|build|dist|\.tox|\.nox)/")
_BUILT = ("*.so", "*.pyd", "*_version.py", "*/version.py", "*.egg-info/*")


@dataclass(frozen=True)
class Products:
    """Files of a folder, by their paths in it."""

    folder: Path
    names: tuple[str, ...]

    def add(self, tree: Path) -> None:
        """Copy them to a tree of the same repository, beside what it has.

        Nothing is written through a link, or where a patch has put a file in the place of a folder.
        """
        for name in self.names:
            above = [tree / part for part in Path(name).parents]
            free = not any(part.is_symlink() or part.is_file() for part in above)
            if (self.folder / name).is_file() and free and not os.path.lexists(tree / name):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.folder / name, tree / name)


def kept_products(folder: Path) -> Products:
    """All files of a folder that `keep_products` has filled."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Products(folder, tuple(str(path.relative_to(folder)) for path in files))


def keep_products(git: Git, tree: Path, products: Path) -> None:
    """Copy what a working tree holds beside git's files into a new folder; raises GitFailed."""
    products.mkdir()
    for name in _others(git, tree, ()):
        if not _LEFT_BEHIND.search(name) and (tree / name).is_file():
            (products / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, products / name)


def checkout_products(git: Git, checkout: Path) -> Products:
    """What a user's own installation has left in the checkout; raises GitFailed."""
    names = _others(git, checkout, _BUILT)
    return Products(checkout, tuple(name for name in names if not _ENVIRONMENT.search(name)))


def make_repository(git: Git, tree: Path, version: str) -> None:
    """A repository of one commit, tagged with the version, for packages that ask git for theirs."""
    who = {f"GIT_{role}_{what}": "setup" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    git.directory.mkdir()
    for arguments in (
        ["init", "--quiet", "--template="],
        ["-C", str(tree), "add", "--all", "--force"],
        ["-C", str(tree), "commit", "--quiet", "--message", "Setup commit"],
        ["tag", version],
    ):
        output(git, *arguments, variables=who | {"GIT_WORK_TREE": str(tree)})


def _others(git: Git, tree: Path, patterns: Iterable[str]) -> list[str]:
    """The files of a working tree that git does not have, ignored ones too."""
    listing = ("-C", str(tree), "ls-files", "--others", "-z", "--", *patterns)
    variables = {"GIT_WORK_TREE": str(tree), "GIT_LITERAL_PATHSPECS": "0"}
    listed = output(git, *listing, variables=variables)
    return list(filter(None, listed.decode("utf-8", "surrogateescape").split("\0")))
