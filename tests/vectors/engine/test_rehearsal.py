"""How near a model's own logits passes have to come, in float32 and where everything is rounded."""

import pytest
import torch

from tests.vectors.families import build
from tests.vectors.tiny import tiny_model
from vectors.engine.forward import forward_of
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.rehearsal import Rehearsal

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_passes_are_as_near_as_rounding_allows_and_what_is_a_tenth_farther_is_told(dtype, monkeypatch):
    model = tiny_model("llama", dtype)
    rehearsal, forward = Rehearsal(model), LlamaForward(model)
    assert rehearsal.fault(forward) is None
    right = forward.run

    def moved(batch):
        logits = right(batch)
        return logits * (1 + 0.1 * torch.randn(logits.shape, generator=torch.manual_seed(0)))

    monkeypatch.setattr(forward, "run", moved)
    assert "of their spread away from the model's own" in rehearsal.fault(forward)


@pytest.mark.parametrize("family", ["blenderbot-small", "plbart", "llama", "falcon_h1"])
def test_a_model_is_run_the_same_way_whatever_it_is_rounded_to(family):
    ways = {type(forward_of(build(family).to(dtype))).__name__ for dtype in DTYPES[:2]}
    assert len(ways) == 1
