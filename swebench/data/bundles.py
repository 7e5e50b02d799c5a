"""The bundled data set: small packages with real histories, kept as files and turned into repositories on
use.

Each folder of `bundled/` is named `<owner>__<name>` and holds `history.fast-export`, a stream of
`git fast-export`, and `tasks.jsonl`, rows in SWE-bench's layout with a `test_cmd`. A stream is text, so the
package holds no binary files, and it rebuilds the same commit ids everywhere.
"""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from swebench.errors import GitFailed
from swebench.patches.plumbing import Git, output

BUNDLED = Path(__file__).parent / "bundled"


def bundled_files() -> list[Path]:
    """The files of rows of the bundled data set."""
    return sorted(BUNDLED.glob("*/tasks.jsonl"))


def ensure_repositories(cache: Path, git_at: Callable[[Path], Git], bundled: Path = BUNDLED) -> Path:
    """The folder of the bundled packages' bare repositories, `<owner>__<name>.git`, made on first use.

    The folder's name holds the hash of all histories: another release makes another folder, and a folder that
    is there is complete. Raises GitFailed.
    """
    streams = sorted(bundled.glob("*/history.fast-export"))
    digest = hashlib.sha256()
    for stream in streams:
        digest.update(stream.parent.name.encode() + b"\0" + hashlib.sha256(stream.read_bytes()).digest())
    parent = cache / "bundled"
    folder = parent / digest.hexdigest()[:16]
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / ".lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=parent, prefix=".making-") as making:
                made = Path(making, "made")
                for stream in streams:
                    _import(stream, git_at(made / f"{stream.parent.name}.git"))
                made.mkdir(exist_ok=True)
                made.replace(folder)
    return folder


def _import(stream: Path, git: Git) -> None:
    git.directory.mkdir(parents=True)
    output(git, "init", "--quiet", "--bare", "--initial-branch=main", "--template=")
    try:
        output(git, "fast-import", "--quiet", stdin=stream.read_bytes())
    except GitFailed as failed:
        raise GitFailed(f"{stream} is damaged, install the package again: {failed}") from None
