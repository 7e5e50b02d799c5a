"""A tree written out as plain files, for tests to run in.

Written by us and not by a checkout: no filter, attribute or hook of the repository takes part, and there is
no `.git` from which a test or a patch could reach later commits.
"""

import errno
import os
from pathlib import Path

from swebench.errors import UnsafePath
from swebench.patches.paths import path_problem
from swebench.patches.trees import EXECUTABLE, REGULAR, SYMLINK, Entry, Scratch


def export(scratch: Scratch, tree: str, folder: Path) -> None:
    """Write the files of `tree` into an empty folder; submodules are left out.

    A symbolic link that leads out of the tree, by itself or over others, becomes a file that holds its
    target. Raises UnsafePath for a tree whose paths lead out of it or are too long, or that names a path
    twice.
    """
    entries = [entry for entry in scratch.entries(tree) if entry.mode in {REGULAR, EXECUTABLE, SYMLINK}]
    # Links come last, so that no file is ever written through one.
    entries.sort(key=lambda entry: entry.mode == SYMLINK)
    links: dict[Path, bytes] = {}
    for entry, content in zip(entries, scratch.blobs([entry.blob for entry in entries]), strict=True):
        if problem := path_problem(entry.path):
            raise UnsafePath(f"{problem[:300]}: the tree cannot be written out")
        path = folder / entry.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.mode == SYMLINK and content and b"\0" not in content:
                os.symlink(content, os.fsencode(path))  # noqa: PTH211 - a target is bytes
                links[path] = content
            else:
                _write(path, entry, content)
        except (FileExistsError, NotADirectoryError):
            raise UnsafePath(f"{entry.path[:300]!r} occurs twice: the tree cannot be written out") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise UnsafePath(f"{entry.path[:300]!r} is too long: the tree cannot be written out") from None
    _keep_inside(folder, links)


def _write(path: Path, entry: Entry, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
    if entry.mode == EXECUTABLE:
        path.chmod(0o755)


def _keep_inside(folder: Path, links: dict[Path, bytes]) -> None:
    # Only when all are there can it be told where one leads: `a/b/../c` is not `a/c` where b is a link.
    root = folder.resolve()
    for path, target in links.items():
        if not Path(os.path.realpath(path)).is_relative_to(root):
            path.unlink()
            path.write_bytes(target)
