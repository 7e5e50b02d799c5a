"""What the engine generates, row by row, held to the bare model and to plain generate."""

import random
import time
from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

from tests.vectors.engine.batches import (
    NEW,
    ByHand,
    left_behind,
    mixed_requests,
    oracle_logits,
    oracle_tokens,
    run,
    tokens,
)
from tests.vectors.tiny import EOS, FAMILIES, byte_tokenizer, hf_generate, prompt, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import InvalidRequest
from vectors.steering.positions import GENERATED

STEPS = [65, 66, 67, 68]


@pytest.fixture
def tiny_engine(model):
    with Engine(model, byte_tokenizer()) as engine:
        yield engine


# --- exactness, on every family


def test_a_mixed_batch_gives_the_tokens_of_plain_generate_with_a_plain_hook(model, tiny_engine):
    requests = mixed_requests(model)
    wanted = oracle_tokens(model, requests)
    assert tokens(run(tiny_engine, *requests)) == wanted
    unsteered = oracle_tokens(model, [replace(request, steering=()) for request in requests])
    changed = [steered != plain for steered, plain in zip(wanted, unsteered, strict=True)]
    assert changed == [bool(request.steering) for request in requests]


@pytest.mark.parametrize("chunk", [512, 7])
def test_each_row_of_a_mixed_batch_has_the_logits_of_the_bare_model_with_a_plain_hook(model, chunk):
    requests = mixed_requests(model)
    with ByHand(model) as hand:
        found = hand.logits(requests, STEPS, chunk)
    for request, row in zip(requests, found, strict=True):
        ids = [*request.prompt_ids, *STEPS]
        whole = oracle_logits(model, ids, request.steering, len(request.prompt_ids))
        assert (row - whole[len(request.prompt_ids) - 1 :]).abs().max() < 1e-4
        if request.steering:
            plain = oracle_logits(model, ids)[len(request.prompt_ids) - 1 :]
            assert (row - plain).abs().max() > 0.1


def test_steering_reaches_the_rows_that_ask_for_it_and_not_one_bit_of_the_others(model):
    requests = mixed_requests(model)
    with ByHand(model) as hand:
        steered = hand.logits(requests, STEPS)
        plain = hand.logits([replace(request, steering=()) for request in requests], STEPS)
    for row, request in enumerate(requests):
        # Steering of generated positions shows from the second new token on.
        spared = not request.steering or request.steering[0].positions == GENERATED
        assert torch.equal(steered[row, 0], plain[row, 0]) == spared
        assert torch.equal(steered[row, 1:], plain[row, 1:]) == (not request.steering)


def test_prompts_longer_than_a_pass_give_the_tokens_of_plain_generate(model, monkeypatch):
    # Longer than gemma's window, and cut at places that fall inside it and inside a convolution's kernel.
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 11)
    requests = mixed_requests(model)
    with Engine(model, byte_tokenizer()) as engine:
        assert tokens(run(engine, *requests)) == oracle_tokens(model, requests)


@pytest.mark.parametrize("max_rows", [1, 3])
def test_rows_that_wait_for_a_place_are_what_they_are_alone(model, max_rows):
    requests = mixed_requests(model)
    with Engine(model, byte_tokenizer(), max_rows) as engine:
        assert tokens(run(engine, *requests)) == oracle_tokens(model, requests)


def test_neither_the_moment_of_arrival_nor_the_order_changes_a_row(model, monkeypatch):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    requests = [
        replace(request, sampling=Sampling(3 + 5 * (row % 4)))
        for row, request in enumerate(mixed_requests(model) * 2)
    ]
    wanted = oracle_tokens(model, requests)
    chance = random.Random(3)
    with Engine(model, byte_tokenizer(), max_rows=5) as engine:
        for _ in range(2):
            order = chance.sample(range(len(requests)), len(requests))
            tickets = {}
            for row in order:
                tickets[row] = engine.submit(requests[row])
                time.sleep(chance.choice([0, 0.003, 0.01]))
            found = [list(tickets[row].result(60).token_ids) for row in range(len(requests))]
            assert found == wanted
    assert left_behind(engine) == (0, 0, 0)


def test_generations_of_different_lengths_finish_each_on_its_own(model, tiny_engine):
    requests = [
        replace(request, sampling=Sampling(max_new_tokens=1 + 3 * row))
        for row, request in enumerate(mixed_requests(model))
    ]
    assert tokens(run(tiny_engine, *requests)) == oracle_tokens(model, requests)


def test_what_an_old_row_left_in_the_cache_never_reaches_a_new_one(model):
    requests = mixed_requests(model)
    with Engine(model, byte_tokenizer()) as engine:
        for cache in (*engine._cache.keys, *engine._cache.values):
            assert not cache[: len(cache) // 64].any()
            cache[: len(cache) // 64] = 1e9
        assert tokens(run(engine, *requests)) == oracle_tokens(model, requests)


@pytest.mark.parametrize("family", FAMILIES)
def test_bf16_models_generate_with_every_kind_of_steering(family):
    half = tiny_model(family, torch.bfloat16)
    requests = mixed_requests(half)
    with Engine(half, byte_tokenizer()) as engine:
        generations = run(engine, *requests)
        plain = run(engine, *(replace(request, steering=()) for request in requests))
    for request, steered, unsteered in zip(requests, generations, plain, strict=True):
        assert steered.finish_reason in ("length", "stop")
        if request.steering:
            assert steered.token_ids != unsteered.token_ids


def test_the_distribution_of_the_first_new_token_is_that_of_the_bare_model(model, tiny_engine):
    requests = [replace(request, distribution=True) for request in mixed_requests(model)]
    for request, generation in zip(requests, run(tiny_engine, *requests), strict=True):
        logits = oracle_logits(model, request.prompt_ids, request.steering, len(request.prompt_ids))
        torch.testing.assert_close(
            generation.distribution, torch.log_softmax(logits[-1], dim=-1), atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_a_rotary_embedding_that_changes_with_length_is_the_same_for_every_row_that_is_let_in(
    monkeypatch, kind
):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 32)
    rope = {"rope_type": kind, "rope_theta": 10_000.0}
    if kind == "longrope":
        rope |= {"short_factor": [1.0] * 8, "long_factor": [2.0 + n for n in range(8)]}
        rope |= {"original_max_position_embeddings": 128}
        made, configured, longest = Phi3ForCausalLM, Phi3Config, 128
    else:
        rope |= {"factor": 4.0}
        made, configured, longest = LlamaForCausalLM, LlamaConfig, 512
    models = []
    for _ in range(2):
        config = tiny_model("phi3" if kind == "longrope" else "llama").config.to_dict()
        config |= {"rope_parameters": rope, "original_max_position_embeddings": 128}
        torch.manual_seed(7)
        models.append(made(configured(**config)).eval())
    requests = [
        GenerationRequest(prompt(row, length), (), Sampling(NEW))
        for row, length in enumerate((longest - NEW, 5, 60, longest - NEW))
    ]
    wanted = [hf_generate(models[0], each.prompt_ids, (), NEW) for each in requests]
    with Engine(models[1], byte_tokenizer()) as engine:
        assert tokens(run(engine, *requests)) == wanted
        with pytest.raises(InvalidRequest, match=f"context of {longest}"):
            engine.submit(GenerationRequest(prompt(1, longest - 3), sampling=Sampling(4)))


# --- sampling and text


def test_sampled_rows_reproduce_by_seed_whatever_the_batch(qwen3, engine):
    sampled = [
        replace(request, sampling=Sampling(NEW, temperature=0.9, top_p=0.95, seed=row))
        for row, request in enumerate(mixed_requests(qwen3))
    ]
    together = tokens(run(engine, *sampled))
    assert together == [tokens(run(engine, request))[0] for request in sampled]
    other_seeds = [replace(r, sampling=replace(r.sampling, seed=r.sampling.seed + 100)) for r in sampled]
    assert together != tokens(run(engine, *other_seeds))


def test_the_text_is_the_decoded_tokens_and_the_callback_is_told_every_token(engine):
    pieces = []
    (generation,) = run(
        engine, GenerationRequest(prompt(1, 6), sampling=Sampling(20), on_token=pieces.append)
    )
    assert generation.text == byte_tokenizer().decode(list(generation.token_ids), skip_special_tokens=True)
    assert "".join(pieces) == generation.text
    assert len(pieces) == generation.new_tokens == len(generation.token_ids) == 20
    assert (generation.prompt_tokens, generation.finish_reason) == (6, "length")
    assert generation.seconds > 0


def test_generation_stops_before_a_stop_string_that_spans_tokens(engine):
    request = GenerationRequest(prompt(1, 6), sampling=Sampling(24))
    (whole,) = run(engine, request)
    stop = whole.text[3:6]
    (stopped,) = run(engine, replace(request, sampling=Sampling(24, stop=(stop,))))
    assert stopped.finish_reason == "stop"
    assert stopped.text == whole.text[: whole.text.find(stop)]
    assert stopped.new_tokens < whole.new_tokens
    assert stopped.token_ids == whole.token_ids[: stopped.new_tokens]


def test_the_end_of_sequence_token_ends_the_generation_as_in_plain_generate():
    model = tiny_model("llama")
    with torch.no_grad():
        model.lm_head.weight[EOS] = model.lm_head.weight[hf_generate(model, prompt(4, 9), new=3)[-1]] * 1.5
    wanted = hf_generate(model, prompt(4, 9), new=20)
    assert wanted[-1] == EOS and len(wanted) < 20
    with Engine(model, byte_tokenizer()) as engine:
        (generation,) = run(engine, GenerationRequest(prompt(4, 9), sampling=Sampling(20)))
    assert list(generation.token_ids) == wanted
    assert generation.finish_reason == "stop"
    assert "eos" not in generation.text


def test_a_token_that_the_generation_config_names_as_an_end_gives_no_text():
    model, ids = tiny_model("llama"), prompt(4, 9)
    whole = hf_generate(model, ids, new=6)
    model.generation_config.eos_token_id = [EOS, whole[3]]
    wanted = hf_generate(model, ids, new=6)
    assert len(wanted) < len(whole)
    with Engine(model, byte_tokenizer()) as engine:
        (generation,) = run(engine, GenerationRequest(ids, sampling=Sampling(6)))
    assert list(generation.token_ids) == wanted
    assert generation.text == byte_tokenizer().decode(wanted[:-1])


# --- scoring


def test_scores_are_the_log_probabilities_of_the_bare_model_in_any_company(model, tiny_engine):
    requests = mixed_requests(model)
    continuations = [prompt(50 + row, 1 + 5 * row) for row in range(len(requests))]
    tickets = [
        tiny_engine.score(request.prompt_ids, continuation, request.steering)
        for request, continuation in zip(requests, continuations, strict=True)
    ]
    for request, continuation, ticket in zip(requests, continuations, tickets, strict=True):
        found, ids = ticket.result(60), [*request.prompt_ids, *continuation]
        logits = oracle_logits(model, ids, request.steering, len(request.prompt_ids))
        wanted = torch.log_softmax(logits, dim=-1)[
            range(len(request.prompt_ids) - 1, len(ids) - 1), ids[len(request.prompt_ids) :]
        ]
        assert found.token_ids == continuation
        torch.testing.assert_close(torch.tensor(found.logprobs), wanted, atol=1e-4, rtol=0)


def test_scoring_the_same_continuation_again_gives_the_same_scores(model, tiny_engine):
    first = tiny_engine.score(prompt(1, 60), prompt(2, 40)).result(60)
    again = tiny_engine.score(prompt(1, 60), prompt(2, 40)).result(20)
    longer = tiny_engine.score(prompt(1, 60), prompt(2, 70)).result(20)
    assert len(first.logprobs) == 40
    assert again.token_ids == first.token_ids
    assert again.logprobs == pytest.approx(first.logprobs, abs=1e-4)
    assert longer.logprobs[:40] == pytest.approx(first.logprobs, abs=1e-4)


@pytest.mark.parametrize("at_once", [1 << 22, 300], ids=["all rows at once", "a row at a time"])
def test_the_likeliest_tokens_are_told_as_many_as_each_row_asks_for_and_in_the_place_of_forced_ones_too(
    model, tiny_engine, monkeypatch, at_once
):
    monkeypatch.setattr("vectors.engine.results._SCORED", at_once)
    ids = prompt(3, 40)
    settings = [
        Sampling(5, logprobs=True, top_logprobs=4),
        Sampling(5, logprobs=True),
        Sampling(5, logprobs=True, top_logprobs=2, forced_ids=(1, 2, 3)),
        Sampling(5),
    ]
    found = run(tiny_engine, *(GenerationRequest(ids, sampling=each) for each in settings))
    for asked, generation in zip(settings, found, strict=True):
        assert [len(top) for top in generation.top] == [asked.top_logprobs] * len(generation.logprobs)
        for number, top in enumerate(generation.top):
            known = [*ids, *generation.token_ids[:number]]
            best = oracle_logits(model, known, (), len(known))[-1].log_softmax(-1).topk(asked.top_logprobs)
            assert [token for token, _ in top] == best.indices.tolist()
            assert [score for _, score in top] == pytest.approx(best.values.tolist(), abs=1e-4)
