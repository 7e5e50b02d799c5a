"""Makes a bare clone that other processes see whole or not at all."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

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
    with FileLock(to.with_suffix(".lock")):
        if to.exists():
            return to
        shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
        try:
            _clone(url, partial, protocol, progress, f"cloning {to.stem}")
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.replace(to)
    return to


def _clone(url: str, to: Path, protocol: str, progress: Progress, label: str) -> None:
    import git  # late: only a machine that lacks the repository needs it

    def told(_operation: int, done: str | float, total: str | float | None, _message: str) -> None:
        progress(label, int(float(done)), int(float(total or 0)))

    try:
        git.Repo.clone_from(url, to, progress=told, env=gitio.environment(protocol), bare=True).close()
    except git.GitCommandNotFound:
        raise GitFailed("git cannot be run: install git, or put it on PATH") from None
    except git.GitCommandError as error:
        said = [line for line in str(error.stderr).splitlines() if "fatal" in line or "error" in line]
        raise GitFailed(said[0].strip() if said else f"git clone failed ({error.status})") from None
