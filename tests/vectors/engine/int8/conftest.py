"""Eight bits are for some processors; elsewhere their tests are skipped, saying so."""

import pytest
import torch
from llvmlite import binding

from tests.vectors.tiny import tiny_model
from vectors.engine.int8.int8_forward import Int8Forward
from vectors.engine.int8.packed import Packed
from vectors.engine.int8.smoothing import smoothing_of
from vectors.engine.int8.weights import ByteWeights


def pytest_collection_modifyitems(items):
    features = binding.get_host_cpu_features()
    if not (features.get("avx512vnni") and features.get("avx512bf16")):
        skipped = pytest.mark.skip("this processor has not both AVX512-VNNI and AVX512-BF16")
        for item in items:
            if "/int8/" in item.nodeid:
                item.add_marker(skipped)


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def family(request):
    return request.param


@pytest.fixture
def threads():
    """torch computes with two threads, whatever a test before has left."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def int8_forward(model):
    ids = torch.randint(0, 256, (4, 60), generator=torch.Generator().manual_seed(1)).tolist()
    smoothing = smoothing_of(model, ids)
    return Int8Forward(
        model, Packed(ByteWeights.of_blocks(model, smoothing), ByteWeights.of_head(model, smoothing))
    )


@pytest.fixture
def made(family, threads):
    """A model of the family, and its forward in eight bits."""
    forward = int8_forward(tiny_model(family))
    yield tiny_model(family), forward
    forward.detach()
