"""Generations in eight bits: near the model's own, and the same to the last bit in any company."""

import random
import time
from dataclasses import replace

import pytest
import torch

from tests.vectors.engine.batches import busy, left_behind, run
from tests.vectors.tiny import LAYERS, byte_tokenizer, prompt, random_vector, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.int8.int8_forward import check
from vectors.engine.requests import GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.errors import UnsupportedModel
from vectors.steering.intervention import Intervention
from vectors.steering.positions import GENERATED
from vectors.threads import compute_alone, in_own_thread

OPERATIONS = {"add": 3.0, "multiply": 0.5, "ablate": 1.0, "replace": 4.0, "cap": 1.0}


def engine(family, **options):
    return Engine(tiny_model(family), byte_tokenizer(), endless=True, eight_bits=True, **options)


def asked(number):
    """Requests that begin alike, with a steering and a sampling each of its own."""
    draw = random.Random(number)
    ids = (*prompt(draw.randrange(3), 300)[: draw.randrange(1, 300)], *prompt(number, draw.randrange(1, 40)))
    steering = ()
    if draw.random() < 0.7:
        operation = draw.choice(list(OPERATIONS))
        layer = draw.randrange(LAYERS)
        steering = (Intervention(random_vector(number), layer, OPERATIONS[operation], operation),)
        if draw.random() < 0.3:
            steering = (replace(steering[0], positions=GENERATED),)
    forced = prompt(number + 1, draw.choice([0, 0, 3]))
    how = Sampling(
        draw.choice([4, 9, 40]),
        temperature=draw.choice([0.0, 1.0]),
        seed=number,
        logprobs=True,
        top_logprobs=3,
        forced_ids=tuple(forced),
    )
    return GenerationRequest(ids, steering, how, divergence=draw.random() < 0.3)


def told(generation):
    """All that must not hang on company, exactly."""
    return generation.token_ids, generation.logprobs, generation.top, generation.divergences


def test_mixed_requests_get_the_same_bits_together_and_alone(family, threads):
    requests = [asked(number) for number in range(60)]
    with engine(family, max_rows=16) as together:
        tickets = []
        for number, request in enumerate(requests):
            tickets.append(together.submit(request))
            if number % 9 == 4:
                tickets[-1].cancel()
            time.sleep(0.002 * (number % 3))
        found = [ticket.result(60) for ticket in tickets]
        assert together.stats().done.reused_tokens > 0
        assert together.stats().done.pieces > 2 * together.stats().done.passes
    with engine(family, max_rows=2) as alone:
        for request, generation in zip(requests, found, strict=True):
            if generation.finish_reason != "cancelled":
                alone.forget()
                assert told(run(alone, request)[0]) == told(generation)
    assert left_behind(alone) == (0, 0, 0)


def test_one_thread_gives_the_bits_of_two(family, threads):
    requests = [asked(number) for number in range(8)]
    with engine(family) as of_two:
        wanted = [told(each) for each in run(of_two, *requests)]
        assert of_two._forward._crew.threads == 2
    torch.set_num_threads(1)
    with engine(family) as of_one:
        assert [told(each) for each in run(of_one, *requests)] == wanted


def test_scores_are_near_those_of_the_model(made):
    model, _ = made
    ids = prompt(5, 120)
    with engine(model.config.model_type) as eight:
        found = eight.submit(scoring(ids[:20], ids[20:])).result(60).logprobs
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0, 19:-1].log_softmax(-1)
    wanted = logits.gather(1, torch.tensor(ids[20:]).unsqueeze(1)).squeeze(1)
    assert torch.tensor(found) == pytest.approx(wanted.numpy(), abs=0.4)
    assert float((torch.tensor(found) - wanted).abs().mean()) < 0.06


def test_helpers_that_have_fallen_asleep_are_woken(made, monkeypatch):
    _, forward = made
    crew = forward._crew
    with engine("llama") as eight:
        run(eight, asked(1))
        helper = eight._forward._crew
        deadline = time.monotonic() + 30
        while not helper.asleep and time.monotonic() < deadline:
            time.sleep(0.05)
        assert helper.asleep == 1
        before = told(run(eight, asked(2))[0])
        eight.forget()
        assert told(run(eight, asked(2))[0]) == before
    assert not any(each.is_alive() for each in helper.helpers)
    assert all(each.is_alive() for each in crew.helpers)


def test_torch_keeps_its_threads_elsewhere(threads):
    with engine("llama") as eight:
        run(eight, asked(3))
        assert torch.get_num_threads() == in_own_thread(torch.get_num_threads) == 2
    assert in_own_thread(_alone) == 1


def _alone():
    compute_alone()
    return torch.get_num_threads()


def test_a_row_that_breaks_leaves_the_others_alone(threads):
    overflow = Intervention(random_vector(1), 1, 3e38, "multiply")
    with engine("llama") as eight:
        with busy(eight):
            sick, well = eight.submit_all([replace(asked(4), steering=(overflow,)), asked(5)])
        with pytest.raises(Exception, match="not finite"):
            sick.result(60)
        found = told(well.result(60))
        eight.forget()
        assert told(run(eight, asked(5))[0]) == found


@pytest.mark.parametrize("family", ["gemma3", "gpt2"])
def test_other_families_are_refused_in_one_line(family):
    with pytest.raises(UnsupportedModel, match="not of the Llama family, which int8 is for: use dtype auto"):
        check(tiny_model(family))


def test_a_processor_without_the_instruction_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", dict)
    with pytest.raises(UnsupportedModel, match="AVX512-BF16: use dtype auto"):
        check(tiny_model("llama"))
