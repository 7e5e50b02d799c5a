"""A tiny model of each family, made once, and the tokenizer they share."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.vectors import tiny
from vectors.engine.engine import Engine


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices are slower on many threads, and far slower where other processes want the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", params=tiny.FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    """A tiny model; a test that takes it runs once for each family."""
    return tiny.tiny_model(request.param)


@pytest.fixture(scope="session")
def qwen3() -> Any:
    """One family, for what does not depend on it."""
    return tiny.tiny_model("qwen3")


@pytest.fixture
def engine(qwen3: Any) -> Iterator[Engine]:
    """An engine on the one family."""
    with Engine(qwen3, tiny.byte_tokenizer()) as engine:
        yield engine
