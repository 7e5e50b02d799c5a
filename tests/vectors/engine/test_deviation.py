"""Following given tokens and then leaving them: what else the model would have written at a certain place."""

import pytest
import torch

from tests.vectors import tiny
from tests.vectors.engine.batches import bare, oracle_logits, oracle_tokens
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import InvalidRequest

PROMPT = tiny.prompt(3, 21)
NEW = 8


def generate(engine, *samplings):
    return [
        ticket.result(60)
        for ticket in [engine.submit(GenerationRequest(PROMPT, (), sampling)) for sampling in samplings]
    ]


def test_following_the_greedy_tokens_gives_the_greedy_tokens(model):
    with Engine(model, tiny.byte_tokenizer()) as engine:
        (plain,) = generate(engine, Sampling(NEW))
        followed = generate(engine, *[Sampling(NEW, forced_ids=plain.token_ids[:n]) for n in range(NEW)])
    assert {generation.token_ids for generation in followed} == {plain.token_ids}
    (wanted,) = oracle_tokens(model, [GenerationRequest(PROMPT, (), Sampling(NEW))])
    assert list(plain.token_ids) == wanted


def test_following_does_not_depend_on_where_a_pass_ends(model, monkeypatch):
    """Prompt and forced tokens come in pieces, of one token too; each is told to the caller once."""
    followed = tiny.prompt(9, 13)
    wanted = oracle_tokens(model, [GenerationRequest((*PROMPT, *followed), (), Sampling(NEW))])[0]
    for chunk in (1, 7, 20, 22, 33, 34, 35):
        monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", chunk)
        pieces = []
        request = GenerationRequest(
            PROMPT, (), Sampling(13 + NEW, forced_ids=followed, logprobs=True), on_token=pieces.append
        )
        with Engine(model, tiny.byte_tokenizer()) as engine:
            generation = engine.submit(request).result(60)
        assert list(generation.token_ids) == [*followed, *wanted]
        assert len(pieces) == len(generation.logprobs) == 13 + len(wanted)
        assert "".join(pieces) == generation.text


def test_a_stop_string_inside_what_is_followed_ends_the_row_there(engine):
    request = GenerationRequest(PROMPT, (), Sampling(20, forced_ids=tuple(b"say stop here"), stop=("stop",)))
    generation = engine.submit(request).result(60)
    assert (generation.text, generation.finish_reason) == ("say ", "stop")
    assert generation.token_ids == tuple(b"say stop")


def test_an_end_of_sequence_among_the_tokens_to_follow_ends_nothing(engine):
    followed = (*b"one", tiny.EOS, *b"two")
    generation = engine.submit(GenerationRequest(PROMPT, (), Sampling(8, forced_ids=followed))).result(60)
    assert generation.token_ids[:7] == followed
    assert generation.text.startswith("onetwo") and generation.new_tokens == 8


def test_follow_avoid_distribution_and_scores_go_together(model):
    followed, avoided = tiny.prompt(9, 5), 3
    sampling = Sampling(6, forced_ids=followed, banned_id=avoided, logprobs=True)
    request = GenerationRequest(PROMPT, tiny.steer(bare(model), 1, 0.8), sampling, distribution=True)
    with Engine(model, tiny.byte_tokenizer()) as engine:
        first, again = (engine.submit(request).result(60) for _ in range(2))
    logits = oracle_logits(model, [*PROMPT, *first.token_ids], request.steering)
    scores = torch.log_softmax(logits, dim=-1)[len(PROMPT) - 1 :]
    picked = scores[:-1].gather(1, torch.tensor(first.token_ids).unsqueeze(1)).flatten()
    torch.testing.assert_close(torch.tensor(first.logprobs), picked, atol=1e-4, rtol=0)
    torch.testing.assert_close(first.distribution, scores[0], atol=1e-4, rtol=0)
    assert first.token_ids == again.token_ids


def test_alternatives_are_scored_in_the_place_of_each_new_token(model, monkeypatch):
    followed, asked = tiny.prompt(9, 13), {0: (1, 2), 5: (3,), 12: (200, 4, 200), 13: (7,)}
    steering = tiny.steer(bare(model), 1, 0.8)
    sampling = Sampling(14, forced_ids=followed)
    logits = oracle_logits(model, [*PROMPT, *followed], steering)
    scores = torch.log_softmax(logits, dim=-1)[len(PROMPT) - 1 :]
    for chunk in (7, 256):
        monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", chunk)
        with Engine(model, tiny.byte_tokenizer()) as engine:
            request = GenerationRequest(PROMPT, steering, sampling, alternatives=asked)
            found = [engine.submit(request).result(60).alternatives for _ in range(2)]
        for alternatives in found:
            assert alternatives.keys() == asked.keys()
            for number, ids in asked.items():
                torch.testing.assert_close(
                    torch.tensor(alternatives[number]), scores[number, list(ids)], atol=1e-4, rtol=0
                )


def test_the_token_after_those_followed_is_the_likeliest_but_the_avoided_one(model):
    with Engine(model, tiny.byte_tokenizer()) as engine:
        (plain,) = generate(engine, Sampling(NEW))
        tokens = plain.token_ids
        deviated = generate(
            engine, *[Sampling(NEW, forced_ids=tokens[:n], banned_id=tokens[n]) for n in range(NEW)]
        )
    for n, generation in enumerate(deviated):
        logits = oracle_logits(model, [*PROMPT, *tokens[:n]])[-1].clone()
        logits[tokens[n]] = -torch.inf
        assert generation.token_ids[:n] == tokens[:n]
        assert generation.token_ids[n] == int(logits.argmax())


def test_log_probabilities_are_those_of_the_bare_model(model):
    with Engine(model, tiny.byte_tokenizer()) as engine:
        found, silent = generate(engine, Sampling(NEW, temperature=1.0, logprobs=True), Sampling(NEW))
    logits = oracle_logits(model, [*PROMPT, *found.token_ids])
    expected = torch.log_softmax(logits[len(PROMPT) - 1 : -1], dim=-1)
    picked = expected.gather(1, torch.tensor(found.token_ids).unsqueeze(1)).flatten()
    assert torch.allclose(torch.tensor(found.logprobs), picked, atol=1e-4)
    assert silent.logprobs == ()


def test_tokens_to_follow_that_are_too_many_or_are_none_of_the_models_are_refused(qwen3):
    with pytest.raises(InvalidRequest, match="forced_ids"):
        Sampling(1, forced_ids=(1, 2))
    with Engine(qwen3, tiny.byte_tokenizer()) as engine, pytest.raises(InvalidRequest, match="token ids"):
        engine.submit(GenerationRequest(PROMPT, (), Sampling(4, forced_ids=(tiny.VOCAB,))))
