"""A row and its unsteered twin: how far apart they are at each new token, and that nothing else changes."""

import math
import random
from dataclasses import replace

import pytest

from tests.vectors.engine.batches import bare, busy, left_behind, run, tokens
from tests.vectors.steering import oracle
from tests.vectors.tiny import LAYERS, byte_tokenizer, prompt, random_vector, steer, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import InvalidRequest
from vectors.steering.intervention import Intervention
from vectors.steering.positions import GENERATED, Layout

NEW = 6


def apart(model, request, token_ids):
    """KL(steered‖unsteered) in bits where each token was drawn, from the model's own logits."""
    ids, n = (*request.prompt_ids, *token_ids[:-1]), len(request.prompt_ids)
    both = [
        oracle.logits_of(model, ids, steering, Layout(n))[n - 1 :].log_softmax(-1)
        for steering in (request.steering, ())
    ]
    return ((both[0].exp() * (both[0] - both[1])).sum(-1) / math.log(2)).tolist()


def asked(model, number, length=20, **sampling):
    steering = steer(bare(model), number % LAYERS, 0.6, seed=number)
    return GenerationRequest(prompt(number, length), steering, Sampling(NEW, **sampling), divergence=True)


@pytest.mark.parametrize("max_rows", [2, 5])
def test_divergences_are_those_of_the_model_steered_and_not_over_the_rows_own_tokens(model, max_rows):
    made = [
        asked(model, 1),
        asked(model, 2, 45, temperature=1.0, seed=3),
        replace(asked(model, 3), steering=()),
        asked(model, 4, forced_ids=(7, 8, 9)),
        replace(asked(model, 5), divergence=False),
        replace(asked(model, 6), steering=steer(bare(model), 1, 0.8, positions=GENERATED)),
    ]
    with Engine(model, byte_tokenizer(), max_rows=max_rows, endless=True) as engine:
        for request, generation in zip(made * 2, run(engine, *made * 2), strict=True):
            wanted = apart(bare(model), request, generation.token_ids) if request.divergence else []
            assert list(generation.divergences) == pytest.approx(wanted, abs=2e-3)
            assert not request.steering or not request.divergence or max(wanted) > 0.01
    assert left_behind(engine) == (0, 0, 0)


@pytest.mark.parametrize("family", ["llama", "lfm2", "gemma3"])
def test_a_twin_follows_in_stretches_and_misses_no_token(family):
    model = tiny_model(family)
    longer = [asked(model, 1), asked(model, 2, 45), asked(model, 3, 1)]
    forced = [(), tuple(range(2, 72)), (5,)]
    samplings = [Sampling(75, forced_ids=ids) for ids in forced]
    longer = [replace(each, sampling=how) for each, how in zip(longer, samplings, strict=True)]
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        for request, generation in zip(longer, run(engine, *longer), strict=True):
            wanted = apart(bare(model), request, generation.token_ids)
            assert list(generation.divergences) == pytest.approx(wanted, abs=2e-3)
    assert left_behind(engine) == (0, 0, 0)


def test_a_twin_adds_few_passes_and_few_rows_to_them(qwen3):
    request = replace(asked(qwen3, 1), sampling=Sampling(64))
    with Engine(qwen3, byte_tokenizer(), endless=True) as engine:
        run(engine, request)
        counts = engine.stats().done
    assert counts.passes <= 64 + 4
    assert counts.pieces <= 64 + 64 // 16 + 6


def test_a_twin_changes_no_token(qwen3):
    draw = random.Random(1)
    made = [asked(qwen3, seed, draw.randint(2, 70), temperature=draw.choice([0.0, 1.0])) for seed in range(8)]
    plain = [replace(each, divergence=False) for each in made]
    with Engine(qwen3, byte_tokenizer()) as engine:
        assert tokens(run(engine, *made)) == tokens(run(engine, *plain))


def test_a_row_that_is_cancelled_takes_its_twin_along(qwen3):
    request = replace(asked(qwen3, 1), sampling=Sampling(300))
    with Engine(qwen3, byte_tokenizer(), endless=True) as engine:
        with busy(engine):
            tickets = engine.submit_all([request, request])
            tickets[0].cancel()
        assert tickets[0].result(60).finish_reason == "cancelled"
        cut = engine.submit(replace(request, on_token=lambda _: cut.cancel()))
        assert cut.result(60).finish_reason == "cancelled"
        assert len(tickets[1].result(60).divergences) == 300
    assert left_behind(engine) == (0, 0, 0)


def test_an_engine_of_one_row_refuses_a_twin(qwen3):
    with Engine(qwen3, byte_tokenizer(), max_rows=1) as engine:
        with pytest.raises(InvalidRequest, match="at least two rows"):
            engine.submit(asked(qwen3, 1))
        (generation,) = run(engine, replace(asked(qwen3, 1), steering=()))
        assert generation.divergences == (0.0,) * NEW


def test_a_steering_that_breaks_its_row_leaves_the_twin_and_the_others_alone(qwen3):
    overflow = Intervention(random_vector(1), 1, 3e38, "multiply")
    sick = replace(asked(qwen3, 1), steering=(overflow,))
    with Engine(qwen3, byte_tokenizer()) as engine:
        broken, well = engine.submit_all([sick, asked(qwen3, 2)])
        with pytest.raises(Exception, match="not finite"):
            broken.result(60)
        assert len(well.result(60).divergences) == NEW
    assert left_behind(engine) == (0, 0, 0)


def test_models_that_need_their_prompts_whole_have_twins_too():
    model = tiny_model("lfm2")
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        for request, generation in zip(
            made := [asked(model, 1, 40), asked(model, 2, 9)], run(engine, *made), strict=True
        ):
            assert list(generation.divergences) == pytest.approx(
                apart(bare(model), request, generation.token_ids), abs=2e-3
            )
