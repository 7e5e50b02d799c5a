"""Samples of one prompt with one steering are prefilled once, and nobody can tell."""

from tests.vectors import tiny
from vectors.engine import Engine, GenerationRequest
from vectors.sampling import Sampling


def sampled(model, n):
    steering = tiny.steer(model, 1, 0.8)
    prompts = (tiny.prompt(1, 17), tiny.prompt(2, 9))
    return [
        GenerationRequest(prompts[i % 2], steering if i % 3 else None, Sampling(10, temperature=1.0, seed=i))
        for i in range(n)
    ]


def test_samples_that_share_a_prompt_are_what_they_are_alone(model):
    requests = sampled(model, 8)
    with Engine(model, tiny.byte_tokenizer()) as engine:
        alone = [engine.submit(request).result(60).token_ids for request in requests]
        together = [t.result(60).token_ids for t in [engine.submit(request) for request in requests]]
    assert together == alone
    assert len(set(alone)) > 4


def test_only_distinct_prompts_are_prefilled(qwen3):
    seen = []
    handle = qwen3.get_input_embeddings().register_forward_hook(
        lambda _m, args, _o: seen.append(args[0].shape)
    )
    steering = tiny.steer(qwen3, 1, 0.8)
    seen.clear()
    request = GenerationRequest(tiny.prompt(1, 17), steering, Sampling(2, temperature=1.0))
    try:
        with Engine(qwen3, tiny.byte_tokenizer()) as engine:
            for ticket in [engine.submit(request) for _ in range(4)]:
                ticket.result(60)
    finally:
        handle.remove()
    prefilled = sum(rows for rows, width in seen if width == 17)
    assert prefilled == sum(width == 17 for _, width in seen)
