"""A tree written out as plain files, for tests to run in.

Written by us and not by a checkout: no filter, attribute or hook of the repository takes part, and there is
no `.git` from which a test or a patch could reach later commits.
"""

import posixpath
from pathlib import Path

from swebench.errors import UnsafePath
from swebench.paths import path_problem
from swebench.trees import EXECUTABLE, REGULAR, SYMLINK, Entry, Scratch


def export(scratch: Scratch, tree: str, folder: Path) -> None:
    """Write the files of `tree` into an empty folder; submodules are left out.

    A symbolic link that leads out of the tree becomes a file that holds its target. Raises UnsafePath for a
    tree whose paths lead out of it, or that names a path twice.
    """
    entries = [entry for entry in scratch.entries(tree) if entry.mode in {REGULAR, EXECUTABLE, SYMLINK}]
    # Links come last, so that no file is ever written through one.
    entries.sort(key=lambda entry: entry.mode == SYMLINK)
    for entry, content in zip(entries, scratch.blobs([entry.blob for entry in entries]), strict=True):
        if problem := path_problem(entry.path):
            raise UnsafePath(f"{problem}: the commit cannot be written out")
        path = folder / entry.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, entry, content)
        except (FileExistsError, NotADirectoryError):
            raise UnsafePath(f"{entry.path!r} occurs twice: the commit cannot be written out") from None


def _write(path: Path, entry: Entry, content: bytes) -> None:
    if entry.mode == SYMLINK:
        target = content.decode("utf-8", "surrogateescape")
        if _stays_inside(entry.path, target):
            path.symlink_to(target)
            return
    with path.open("xb") as file:
        file.write(content)
    if entry.mode == EXECUTABLE:
        path.chmod(0o755)


def _stays_inside(link: str, target: str) -> bool:
    landing = posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
    return bool(target) and "\0" not in target and not landing.startswith(("/", "../")) and landing != ".."
