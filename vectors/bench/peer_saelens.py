"""The peer that trains sparse autoencoders: SAELens, in an environment of its own that sees our torch."""

import json
import os
import subprocess
import sysconfig
import tempfile
import venv
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from filelock import FileLock

from vectors.bench.saelens_driver import Setting, Timing
from vectors.errors import PeerUnavailable
from vectors.progress import Progress

VERSION = "6.54.12"
_DRIVER = Path(__file__).with_name("saelens_driver.py")
_PACKAGES = (f"sae-lens=={VERSION}", "torch==2.13.0")
"""torch is the one that is here: another would be another kernel, and gigabytes."""
_READY = "ready"
_INSTALL_LIMIT_S = 1800


class SaeLens:
    """A process that trains from one folder of tokens after another. Use as a context manager."""

    def __init__(self, cache: Path, setting: Setting) -> None:
        folder = _folder(cache)
        if not (folder / _READY).exists():
            raise PeerUnavailable("sae-lens is not installed; --install-peers installs it once")
        self._open = ExitStack()
        # A pipe that nobody reads would fill up.
        self._log = self._open.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(_python(folder)), str(_DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ
            | {
                "WANDB_MODE": "disabled",
                "HF_HUB_OFFLINE": "1",
                "OMP_NUM_THREADS": str(torch.get_num_threads()),
            },
        )
        self._write(json.dumps(setting))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._open.close()

    def train(self, tokens: Path) -> Timing:
        """Collect and train from a folder of tokens. Raises PeerUnavailable where SAELens fails."""
        self._write(str(tokens))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        timing: Timing = json.loads(line)
        return timing

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _fail(self) -> None:
        self._process.communicate()
        self._log.seek(0)
        said = self._log.read().strip().splitlines() or ["it said nothing"]
        raise PeerUnavailable(f"sae-lens ended with {self._process.returncode}: {said[-1][:200]}")


def install(cache: Path, progress: Progress) -> None:
    """Install sae-lens beside our torch, where it is not there yet. Raises PeerUnavailable."""
    folder = _folder(cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if (folder / _READY).exists():
            return
        progress("installing sae-lens", 0, 1)
        venv.create(folder, with_pip=True, clear=True)
        packages = next(folder.glob("lib/python*/site-packages"))
        (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = [str(_python(folder)), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        try:
            subprocess.run(
                [*pip, *_PACKAGES], capture_output=True, text=True, timeout=_INSTALL_LIMIT_S, check=True
            )
        except subprocess.TimeoutExpired as error:
            raise PeerUnavailable(f"sae-lens was not installed within {_INSTALL_LIMIT_S} s") from error
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["pip gave no reason"])[-1][:200]
            raise PeerUnavailable(f"sae-lens could not be installed: {reason}") from error
        (folder / _READY).touch()
        progress("installing sae-lens", 1, 1)


def _folder(cache: Path) -> Path:
    return cache / "peers" / f"sae-lens-{VERSION}"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"
