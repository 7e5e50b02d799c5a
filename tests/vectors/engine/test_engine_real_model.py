"""The engine's central contract once more, on the embedded model and text instead of random weights."""

from pathlib import Path

import pytest
import torch

from tests.vectors.engine.batches import hooked_logits
from tests.vectors.tiny import hf_generate, steer
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.steering.positions import GENERATED

pytestmark = pytest.mark.real_model

NEW = 8
TEXTS = (
    "def is_even(n):\n    return",
    "The report says that the last page of the list is missing. The fault is most likely in",
    "import os\n",
    "for i in range(10):\n    print(",
)


def test_a_mixed_batch_on_the_embedded_model_gives_the_tokens_of_plain_generate(
    smollm2, smollm2_by_transformers
):
    model, plain = smollm2.model, smollm2_by_transformers
    prompts = [tuple(smollm2.tokenizer.encode(text)) for text in TEXTS]
    steerings = [
        (),
        steer(model, 12, 0.8, seed=1),
        steer(model, 20, 0.8, seed=2, operation="multiply"),
        steer(model, 15, 0.8, seed=3, positions=GENERATED),
    ]
    wanted = [
        hf_generate(plain, ids, steering, NEW) for ids, steering in zip(prompts, steerings, strict=True)
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
        assert steering and hf_generate(plain, ids, (), NEW) != steered


def test_nodes_that_share_a_long_context_reuse_it_and_are_what_they_are_alone(
    smollm2, smollm2_by_transformers
):
    model, plain = smollm2.model, smollm2_by_transformers
    context = smollm2.encode(Path(__file__).read_text(), begins=True)[:320]  # longer than a pass
    nodes = [(), *(steer(model, layer, 0.6, seed=layer) for layer in (9, 20, 14))]
    requests = [
        GenerationRequest(
            (*context, *smollm2.encode(f"\n\ndef node_{n}(", begins=False)), steering, Sampling(NEW)
        )
        for n, steering in enumerate(nodes)
    ]
    wanted = [hf_generate(plain, each.prompt_ids, each.steering, NEW) for each in requests]
    assert len({tuple(tokens) for tokens in wanted}) == len(nodes)
    with Engine(model, smollm2.tokenizer) as engine:
        for _ in range(2):  # the second time nothing has to be computed but the last token of each
            found = [ticket.result(250) for ticket in engine.submit_all(requests)]
            assert [list(each.token_ids) for each in found] == wanted
        assert [each.reused_tokens for each in found] == [len(each.prompt_ids) - 1 for each in requests]


def test_scores_on_the_embedded_model_are_those_of_its_own_forward_under_a_plain_hook(smollm2):
    model = smollm2.model
    steering = steer(model, 12, 0.5, seed=1)
    ids, answers = (
        tuple(smollm2.encode(TEXTS[1], begins=True)),
        (" the loop.", " the index of the last page."),
    )
    continuations = [tuple(smollm2.encode(answer, begins=False)) for answer in answers]
    with Engine(model, smollm2.tokenizer) as engine:
        tickets = [engine.score(ids, continuation, steering) for continuation in continuations * 2]
        found = [ticket.result(250).logprobs for ticket in tickets]
    for scores, continuation in zip(found, continuations * 2, strict=True):
        logits = hooked_logits(model, (*ids, *continuation), steering)
        picked = torch.log_softmax(logits[len(ids) - 1 : -1], dim=-1)
        wanted = picked.gather(1, torch.tensor(continuation).unsqueeze(1)).flatten()
        torch.testing.assert_close(torch.tensor(scores), wanted, atol=1e-3, rtol=0)
