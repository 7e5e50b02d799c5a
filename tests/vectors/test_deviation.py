"""Following given tokens and then leaving them: what else the model would have written at a certain place."""

import pytest
import torch

from tests.vectors import tiny
from vectors.engine import Engine, GenerationRequest
from vectors.errors import InvalidRequest
from vectors.sampling import Sampling

PROMPT = tiny.prompt(3, 21)
NEW = 8


def generate(engine, *samplings):
    return [
        ticket.result(60)
        for ticket in [engine.submit(GenerationRequest(PROMPT, None, sampling)) for sampling in samplings]
    ]


def test_following_the_greedy_tokens_gives_the_greedy_tokens(model):
    with Engine(model, tiny.byte_tokenizer()) as engine:
        (plain,) = generate(engine, Sampling(NEW))
        followed = generate(engine, *[Sampling(NEW, follow=plain.token_ids[:n]) for n in range(NEW)])
    assert {generation.token_ids for generation in followed} == {plain.token_ids}


def test_the_token_after_those_followed_is_the_likeliest_but_the_avoided_one(model):
    with Engine(model, tiny.byte_tokenizer()) as engine:
        (plain,) = generate(engine, Sampling(NEW))
        tokens = plain.token_ids
        deviated = generate(engine, *[Sampling(NEW, follow=tokens[:n], avoid=tokens[n]) for n in range(NEW)])
    for n, generation in enumerate(deviated):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*PROMPT, *tokens[:n]]])).logits[0, -1]
        logits[tokens[n]] = -torch.inf
        assert generation.token_ids[:n] == tokens[:n]
        assert generation.token_ids[n] == int(logits.argmax())


def test_log_probabilities_are_those_of_the_bare_model(model):
    with Engine(model, tiny.byte_tokenizer()) as engine:
        found, silent = generate(engine, Sampling(NEW, temperature=1.0, logprobs=True), Sampling(NEW))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*PROMPT, *found.token_ids]])).logits[0]
    expected = torch.log_softmax(logits[len(PROMPT) - 1 : -1], dim=-1)
    picked = expected.gather(1, torch.tensor(found.token_ids).unsqueeze(1)).flatten()
    assert torch.allclose(torch.tensor(found.logprobs), picked, atol=1e-4)
    assert silent.logprobs == ()


def test_tokens_to_follow_that_are_too_many_or_are_none_of_the_models_are_refused(qwen3):
    with pytest.raises(InvalidRequest, match="follow"):
        Sampling(1, follow=(1, 2))
    with Engine(qwen3, tiny.byte_tokenizer()) as engine, pytest.raises(InvalidRequest, match="token ids"):
        engine.submit(GenerationRequest(PROMPT, None, Sampling(4, follow=(tiny.VOCAB,))))
