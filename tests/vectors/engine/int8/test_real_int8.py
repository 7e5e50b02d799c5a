"""The embedded model in eight bits: how much it loses, and that company changes no bit."""

import random
from itertools import chain
from pathlib import Path
from statistics import fmean

import pytest
import torch

from tests.vectors.engine.batches import run
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.models.loading import load_model
from vectors.steering.intervention import Intervention

pytestmark = [pytest.mark.real_model, pytest.mark.slow]
ROOT = Path(__file__).parents[4]
TEXTS = [ROOT / "vectors/engine/scheduler.py", ROOT / "ARCHITECTURE.md"]


def loaded(cache_dir, dtype):
    lm = load_model("smollm2-135m", cache=cache_dir, dtype=dtype)
    return lm, Engine(lm.model, lm.tokenizer, endless=True, eight_bits=dtype == torch.int8)


@pytest.fixture(scope="module")
def eight(cache_dir):
    lm, engine = loaded(cache_dir, torch.int8)
    with engine:
        yield lm, engine


def test_a_token_loses_about_a_hundredth_of_a_nat(eight, cache_dir):
    lm, engine = eight
    texts = [lm.encode(text.read_text(), begins=True)[:1000] for text in TEXTS]
    requests = [scoring(ids[:1], ids[1:]) for ids in texts]
    rounded = run(engine, *requests)
    _, exact = loaded(cache_dir, torch.float32)
    with exact:
        whole = run(exact, *requests)
    mine, theirs = (fmean(chain(*(each.logprobs for each in found))) for found in (rounded, whole))
    assert 0 < theirs - mine < 0.03


def test_steered_requests_get_the_same_bits_together_and_alone(eight):
    lm, engine = eight
    draw = random.Random(5)
    begin = lm.encode(Path(__file__).read_text(), begins=True)
    requests = []
    for number in range(16):
        vector = torch.randn(lm.d_model, generator=torch.Generator().manual_seed(number))
        steering = (Intervention(vector, draw.randrange(lm.n_layers), 10.0),) if number % 4 else ()
        ids = (*begin[: draw.randrange(1, 350)], *draw.choices(begin, k=8))
        requests.append(GenerationRequest(ids, steering, Sampling(12, logprobs=True, top_logprobs=3)))
    together = run(engine, *requests)
    for request, found in zip(requests, together, strict=True):
        engine.forget()
        (alone,) = run(engine, request)
        assert (alone.token_ids, alone.logprobs, alone.top) == (found.token_ids, found.logprobs, found.top)
