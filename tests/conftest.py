"""What every room's tests share: the cache folder of this machine, the embedded model, and no clocks."""

import logging
import os
import signal
from pathlib import Path

import platformdirs
import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the processors: a team of threads in each would keep the others waiting.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and so would the processes that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says more about the machine's other work than about the code.
settings.register_profile(
    "no_clock",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("no_clock")


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """A command that a test calls sends all logging to that test's stderr, which is gone afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The project's cache, so that the embedded model is fetched once per machine and not once per run."""
    return Path(os.environ.get("ORCHESTRATE_CACHE") or platformdirs.user_cache_path("orchestrate"))


@pytest.fixture(scope="session")
def test_bed(cache_dir):
    """Where the bundled tasks' tests run: made once per machine, which takes a package index then."""
    from swebench.grading.suites import LocalTestBed

    return LocalTestBed(cache_dir)


@pytest.fixture(scope="session")
def with_environments(cache_dir, test_bed):
    """Gives a cache folder of a test's own the environments of this machine's, so that none is made again."""

    def give(cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        (cache_dir / "environments").mkdir(parents=True, exist_ok=True)
        (cache / "environments").symlink_to(cache_dir / "environments")

    return give


@pytest.fixture(scope="session")
def smollm2(cache_dir):
    """The embedded model in float32, in which exactness is claimed."""
    import torch

    from vectors.models.loading import load_model

    return load_model("smollm2-135m", cache=cache_dir, dtype=torch.float32)


@pytest.fixture(scope="session")
def embedded_folder(cache_dir):
    """The folder of the embedded model."""
    from vectors.models.loading import EMBEDDED, pull

    return pull(EMBEDDED, cache=cache_dir)


@pytest.fixture(scope="session")
def smollm2_by_transformers(embedded_folder):
    """The embedded model in float32 as transformers has it: the oracle."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(embedded_folder, dtype="float32").eval()
