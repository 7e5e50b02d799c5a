"""Makes a bare clone that other processes see whole or not at all."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from retrieval import gitio
from retrieval.errors import GitFailed
from retrieval.progress import Progress

_COUNTED = re.compile(r"\((\d+)/(\d+)\)")


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
    command = ["git", "clone", "--bare", "--progress", "--", url, str(to)]
    try:
        process = subprocess.Popen(
            command,
            env=gitio.environment(protocol),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise gitio.cannot_start(error) from None
    said = ""
    with process:
        assert process.stderr is not None
        try:
            for line in process.stderr:  # text mode takes the \r after a count for a line's end
                if counted := _COUNTED.search(line):
                    progress(label, int(counted[1]), int(counted[2]))
                elif "fatal" in line or "error" in line:
                    said = said or line.strip()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise GitFailed(said or f"git clone failed ({process.returncode})")
