"""What the engine generates, row by row, held to the bare model and to plain generate."""

from dataclasses import replace

import pytest
import torch

from tests.vectors.batches import NEW, logits_of, mixed_requests, run, tokens
from tests.vectors.tiny import (
    EOS,
    byte_tokenizer,
    hf_generate,
    prompt,
    steer,
    tiny_model,
)
from vectors.blocks import recording
from vectors.decoding import Batch
from vectors.engine import Engine, GenerationRequest
from vectors.sampling import Sampling
from vectors.steering import SteeringTable


@pytest.fixture
def tiny_engine(model):
    with Engine(model, byte_tokenizer()) as engine:
        yield engine


# --- exactness, on every family


def test_a_mixed_batch_gives_the_tokens_of_plain_generate_with_a_plain_hook(model, tiny_engine):
    requests = mixed_requests(model)
    wanted = [hf_generate(model, request.prompt_ids, request.steering, NEW) for request in requests]
    assert tokens(run(tiny_engine, *requests)) == wanted
    unsteered = [hf_generate(model, request.prompt_ids, None, NEW) for request in requests]
    changed = [steered != bare for steered, bare in zip(wanted, unsteered, strict=True)]
    assert changed == [request.steering is not None for request in requests]


def test_a_mixed_batch_gives_the_logits_of_each_row_run_alone(model):
    requests, steps = mixed_requests(model), [65, 66, 67, 68]
    with SteeringTable(model, len(requests)) as table:
        together = logits_of(model, table, requests, steps)
        for row, request in enumerate(requests):
            alone = logits_of(model, table, [request], steps)
            for batched, single in zip(together, alone, strict=True):
                assert (batched[row] - single[0]).abs().max() < 1e-4


def test_an_unsteered_row_is_bit_equal_to_the_bare_model_in_the_same_batch(model):
    requests, steps = mixed_requests(model), [65, 66, 67]
    with SteeringTable(model, len(requests)) as table:
        mixed = logits_of(model, table, requests, steps)
        bare = logits_of(model, table, [replace(request, steering=None) for request in requests], steps)
    for step, (beside, plain) in enumerate(zip(mixed, bare, strict=True)):
        for row, request in enumerate(requests):
            # Steering of generated positions shows from the second new token on.
            waits = request.steering is not None and request.steering.positions == "generated" and step == 0
            assert torch.equal(beside[row], plain[row]) == (request.steering is None or waits)


def test_rows_that_leave_do_not_change_the_rows_that_stay(model):
    requests = mixed_requests(model)
    with SteeringTable(model, len(requests)) as table, torch.inference_mode():
        batch = Batch(model, table, [r.prompt_ids for r in requests], [r.steering for r in requests], 4)
        batch.prefill()
        batch.keep([1, 2, 6])
        thinned = [batch.step([token] * 3) for token in (65, 66)]
        for i, row in enumerate((1, 2, 6)):
            alone = logits_of(model, table, [requests[row]], [65, 66])[1:]
            for batched, single in zip(thinned, alone, strict=True):
                assert (batched[i] - single[0]).abs().max() < 1e-4


def test_generations_of_different_lengths_finish_each_on_its_own(model, tiny_engine):
    requests = [
        replace(request, sampling=Sampling(max_new_tokens=1 + 3 * row))
        for row, request in enumerate(mixed_requests(model))
    ]
    wanted = [hf_generate(model, r.prompt_ids, r.steering, r.sampling.max_new_tokens) for r in requests]
    assert tokens(run(tiny_engine, *requests)) == wanted


def test_steering_generated_positions_leaves_the_prompts_residuals_untouched(model):
    ids = prompt(3, 20)
    with SteeringTable(model, 1) as table, recording(model) as captured, torch.inference_mode():
        seen = []
        for steering in (None, steer(model, 1, 1.0, positions="generated")):
            batch = Batch(model, table, [ids], [steering], 2)
            batch.prefill()
            in_prompt = dict(captured)
            batch.step([65])
            seen.append((in_prompt, dict(captured)))
    (bare_prompt, bare_next), (steered_prompt, steered_next) = seen
    assert all(torch.equal(bare_prompt[layer], steered_prompt[layer]) for layer in bare_prompt)
    assert torch.equal(bare_next[0], steered_next[0])
    assert not torch.equal(bare_next[1], steered_next[1])


def test_bf16_models_generate_with_every_kind_of_steering(model):
    half = tiny_model(model.config.model_type.split("_")[0], torch.bfloat16)
    with Engine(half, byte_tokenizer()) as engine:
        generations = run(engine, *mixed_requests(half))
        bare = run(engine, *(replace(request, steering=None) for request in mixed_requests(half)))
    assert all(generation.finish_reason in ("length", "stop") for generation in generations)
    assert generations[0].token_ids == bare[0].token_ids
    assert generations[1].token_ids != bare[1].token_ids


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


def test_the_text_is_the_decoded_tokens_and_the_callback_is_told_every_token(qwen3, engine):
    pieces = []
    (generation,) = run(
        engine, GenerationRequest(prompt(1, 6), sampling=Sampling(20), on_token=pieces.append)
    )
    assert generation.text == byte_tokenizer().decode(list(generation.token_ids), skip_special_tokens=True)
    assert "".join(pieces) == generation.text
    assert len(pieces) == generation.new_tokens == len(generation.token_ids) == 20
    assert (generation.prompt_tokens, generation.finish_reason) == (6, "length")
    assert generation.seconds > 0


def test_generation_stops_before_a_stop_string_that_spans_tokens(qwen3, engine):
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


# --- wrong requests and faults
