"""The engine's central contract once more, on the embedded model and text instead of random weights."""

import pytest

from tests.vectors.tiny import hf_generate, steer
from vectors.engine import Engine, GenerationRequest
from vectors.sampling import Sampling

pytestmark = pytest.mark.real_model

NEW = 8
TEXTS = (
    "def is_even(n):\n    return",
    "The report says that the last page of the list is missing. The fault is most likely in",
    "import os\n",
    "for i in range(10):\n    print(",
)


def test_a_mixed_batch_on_the_embedded_model_gives_the_tokens_of_plain_generate(smollm2):
    model = smollm2.model
    prompts = [tuple(smollm2.tokenizer(text)["input_ids"]) for text in TEXTS]
    steerings = [
        None,
        steer(model, 12, 0.8, seed=1),
        steer(model, 20, 0.8, seed=2, mode="multiply"),
        steer(model, 15, 0.8, seed=3, positions="generated"),
    ]
    wanted = [
        hf_generate(model, ids, steering, NEW) for ids, steering in zip(prompts, steerings, strict=True)
    ]
    with Engine(model, smollm2.tokenizer) as engine:
        tickets = [
            engine.submit(GenerationRequest(ids, steering, Sampling(NEW)))
            for ids, steering in zip(prompts, steerings, strict=True)
        ]
        generations = [ticket.result(250) for ticket in tickets]
    assert [list(generation.token_ids) for generation in generations] == wanted
    for generation in generations:
        decoded = smollm2.tokenizer.decode(list(generation.token_ids), skip_special_tokens=True)
        assert generation.text == decoded
    for ids, steering, steered in list(zip(prompts, steerings, wanted, strict=True))[1:]:
        assert steering is not None and hf_generate(model, ids, None, NEW) != steered
