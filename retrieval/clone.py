"""Makes a bare clone that other processes see whole or not at all."""

import fcntl
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import git

from retrieval import gitio
from retrieval.errors import GitFailed
from retrieval.progress import Progress


def clone(url: str, to: Path, progress: Progress) -> Path:
    """A bare clone of `url` at `to`, made under a temporary name and moved there when complete.

    A second process that asks for the same clone waits for the first and takes its result. A server that
    sends less than 1 kB/s for a minute is given up.

    Raises:
        GitFailed: neither https nor file, or git could not clone.
    """
    protocol = urlsplit(url).scheme
    if protocol not in {"https", "file"}:
        raise GitFailed(f"{protocol or 'no'} protocol is not cloned from; use https")
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_suffix(".partial")
    with to.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if to.exists():
            return to
        shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
        try:
            git.Repo.clone_from(
                url, partial, progress=_Told(progress, to.stem), env=gitio.environment(protocol), bare=True
            ).close()
        except git.GitCommandError as error:
            shutil.rmtree(partial, ignore_errors=True)
            said = [line for line in str(error.stderr).splitlines() if "fatal" in line or "error" in line]
            raise GitFailed(said[0].strip() if said else f"git clone failed ({error.status})") from None
        partial.replace(to)
    return to


class _Told(git.RemoteProgress):  # type: ignore[misc]  # mypy does not follow GitPython
    def __init__(self, progress: Progress, name: str) -> None:
        super().__init__()
        self.progress = progress
        self.label = f"cloning {name}"

    def update(
        self, _operation: int, done: str | float, total: str | float | None = None, _message: str = ""
    ) -> None:
        self.progress(self.label, int(float(done)), int(float(total or 0)))
