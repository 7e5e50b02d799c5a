import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from tests.vectors.tiny import (
    CONTEXT,
    EOS,
    VOCAB,
    byte_tokenizer,
    hf_generate,
    prompt,
    random_vector,
    steer,
    tiny_model,
)
from vectors.blocks import decoder_blocks, recording
from vectors.decoding import Batch
from vectors.engine import Engine, GenerationRequest
from vectors.errors import EngineClosed, GenerationFault, InvalidRequest, SteeringMismatch, VectorsError
from vectors.sampling import Sampling
from vectors.steering import Steering, SteeringTable

NEW = 12
LENGTHS = (5, 23, 1, 14, 40, 9, 2)


def mixed_steerings(model):
    """Own vector, layer, α, mode and positions for every row but the first and the fourth."""
    return [
        None,
        steer(model, 1, 0.8, seed=1),
        steer(model, 2, 0.8, seed=2, mode="multiply"),
        None,
        steer(model, 0, 0.6, seed=3, positions="generated"),
        steer(model, 3, 1.0, seed=4),
        steer(model, 1, 0.8, seed=5, mode="multiply", positions="generated"),
    ]


def mixed_requests(model):
    prompts = [prompt(i, length) for i, length in enumerate(LENGTHS)]
    return [
        GenerationRequest(ids, steering, Sampling(NEW))
        for ids, steering in zip(prompts, mixed_steerings(model), strict=True)
    ]


@contextmanager
def busy(engine):
    """Keep the engine busy, so that what is submitted inside waits together and shares a batch."""
    release, began = threading.Event(), threading.Event()
    blocker = GenerationRequest(
        (1,), sampling=Sampling(1), on_token=lambda _: (began.set(), release.wait(60))
    )
    ticket = engine.submit(blocker)
    assert began.wait(60)
    yield
    release.set()
    ticket.result(60)


def run(engine, *requests):
    """Run the requests in one batch and wait for all."""
    with busy(engine):
        tickets = [engine.submit(request) for request in requests]
    return [ticket.result(60) for ticket in tickets]


def tokens(generations):
    return [list(generation.token_ids) for generation in generations]


def logits_of(model, table, requests, steps):
    """The logits [rows, vocab] after the prompts and after each forced token, in one batch."""
    with torch.inference_mode():
        prompts, steerings = [r.prompt_ids for r in requests], [r.steering for r in requests]
        batch = Batch(model, table, prompts, steerings, len(steps))
        return [batch.prefill(), *(batch.step([token] * len(requests)) for token in steps)]


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


@pytest.mark.parametrize(
    "steering",
    [
        Steering(random_vector(1), 4, 1.0),
        Steering(random_vector(1, 32), 1, 1.0),
        Steering(random_vector(1).int(), 1, 1.0),
        Steering(random_vector(1) * float("nan"), 1, 1.0),
    ],
)
def test_a_wrong_steering_is_refused_at_once_in_the_callers_thread(engine, steering):
    with pytest.raises(SteeringMismatch):
        engine.submit(GenerationRequest(prompt(1, 4), steering))


@pytest.mark.parametrize(
    ("ids", "new", "message"),
    [
        ((), 4, "at least one token"),
        ((1, VOCAB), 4, "at least one token"),
        ((-1,), 4, "at least one token"),
        (prompt(1, CONTEXT - 3), 4, f"context of {CONTEXT}"),
    ],
)
def test_a_prompt_that_cannot_be_run_is_refused_at_once(engine, ids, new, message):
    with pytest.raises(InvalidRequest, match=message):
        engine.submit(GenerationRequest(ids, sampling=Sampling(new)))


def test_a_prompt_may_fill_the_context_to_the_last_position(engine):
    (generation,) = run(engine, GenerationRequest(prompt(1, CONTEXT - 4), sampling=Sampling(4)))
    assert generation.new_tokens == 4


def test_a_callback_that_raises_fails_its_own_request_alone(qwen3, engine):
    def broken(_text):
        raise KeyError("the caller's own fault")

    requests = mixed_requests(qwen3)
    requests[1] = replace(requests[1], on_token=broken)
    with busy(engine):
        tickets = [engine.submit(request) for request in requests]
    with pytest.raises(GenerationFault, match="on_token raised KeyError") as caught:
        tickets[1].result(60)
    assert isinstance(caught.value.__cause__, KeyError)
    for ticket, request in list(zip(tickets, requests, strict=True))[2:]:
        assert list(ticket.result(60).token_ids) == hf_generate(
            qwen3, request.prompt_ids, request.steering, NEW
        )


@pytest.mark.parametrize("fails_at", [1, 3])
def test_after_a_fault_in_the_middle_of_a_forward_pass_the_model_is_bare_to_the_bit(model, fails_at):
    ids, count = torch.tensor([prompt(9, 11)]), 0
    with torch.inference_mode():
        before = model(input_ids=ids).logits

    def fail(*_args):
        nonlocal count
        count += 1
        if count == fails_at:
            raise RuntimeError("out of memory")

    request, mixed = GenerationRequest(prompt(9, 11), sampling=Sampling(NEW)), mixed_requests(model)
    with Engine(model, byte_tokenizer()) as engine:
        (bare,) = run(engine, request)
        with busy(engine):
            handle = decoder_blocks(model)[2].register_forward_hook(fail)
            tickets = [engine.submit(request) for request in mixed]
        for ticket in tickets:
            with pytest.raises(VectorsError, match="out of memory"):
                ticket.result(60)
        handle.remove()
        with torch.inference_mode():
            assert torch.equal(model(input_ids=ids).logits, before)
        assert run(engine, request)[0].token_ids == bare.token_ids
        assert tokens(run(engine, *mixed))[0] == hf_generate(model, mixed[0].prompt_ids, None, NEW)


def test_a_row_that_finished_before_the_fault_keeps_its_result(qwen3, engine):
    calls = []

    def fail_second(*_args):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("out of memory")

    with busy(engine):
        handle = decoder_blocks(qwen3)[0].register_forward_hook(fail_second)
        short = engine.submit(GenerationRequest(prompt(1, 5), sampling=Sampling(1)))
        long = engine.submit(GenerationRequest(prompt(1, 5), sampling=Sampling(5)))
    with pytest.raises(GenerationFault, match="out of memory"):
        long.result(60)
    handle.remove()
    assert list(short.result(60).token_ids) == hf_generate(qwen3, prompt(1, 5), None, 1)


def test_logits_that_are_not_finite_fail_their_row_alone():
    model = tiny_model("qwen3").to(torch.float16)
    overflow = Steering(random_vector(1), 1, 1e6)  # infinite in float16
    with Engine(model, byte_tokenizer()) as engine:
        alone = run(engine, GenerationRequest(prompt(1, 5), sampling=Sampling(NEW)))
        with busy(engine):
            sick = engine.submit(GenerationRequest(prompt(1, 5), overflow, Sampling(NEW)))
            well = engine.submit(GenerationRequest(prompt(1, 5), sampling=Sampling(NEW)))
        with pytest.raises(GenerationFault, match="not finite"):
            sick.result(60)
        assert well.result(60).token_ids[:1] == alone[0].token_ids[:1]


# --- waiting, cancelling, closing


def test_requests_that_wait_together_run_in_one_batch_of_at_most_max_rows(qwen3):
    sizes = []
    with Engine(qwen3, byte_tokenizer(), max_rows=3) as engine:
        with busy(engine):
            handle = qwen3.lm_head.register_forward_hook(lambda _m, args, _o: sizes.append(len(args[0])))
            tickets = [engine.submit(GenerationRequest(prompt(i, 4), sampling=Sampling(1))) for i in range(4)]
        for ticket in tickets:
            ticket.result(60)
        handle.remove()
    assert sizes == [3, 1]


def test_a_prompt_too_long_to_be_padded_to_by_all_runs_apart_from_the_short_ones(qwen3, monkeypatch):
    monkeypatch.setattr("vectors.engine._MAX_PREFILL_TOKENS", 100)
    sizes = []
    with Engine(qwen3, byte_tokenizer()) as engine:
        with busy(engine):
            handle = qwen3.lm_head.register_forward_hook(lambda _m, args, _o: sizes.append(len(args[0])))
            tickets = [
                engine.submit(GenerationRequest(prompt(1, length), sampling=Sampling(1)))
                for length in (10, 20, 200, 10)
            ]
        for ticket in tickets:
            ticket.result(60)
        handle.remove()
    assert sizes == [2, 1, 1]


def test_a_cancelled_generation_stops_at_the_next_token(engine):
    seen = []

    def cancel_at_third(text):
        seen.append(text)
        if len(seen) == 3:
            ticket.cancel()

    started = threading.Event()
    ticket = engine.submit(
        GenerationRequest(
            prompt(1, 4), sampling=Sampling(100), on_token=lambda t: (started.wait(60), cancel_at_third(t))
        )
    )
    started.set()
    generation = ticket.result(60)
    assert (generation.finish_reason, generation.new_tokens, len(seen)) == ("cancelled", 3, 3)
    assert generation.text == "".join(seen)


def test_a_request_cancelled_while_it_waits_never_starts(engine):
    with busy(engine):
        waiting = engine.submit(GenerationRequest(prompt(2, 4), on_token=lambda _: pytest.fail("it started")))
        waiting.cancel()
        assert waiting.result(0).finish_reason == "cancelled"
    assert run(engine, GenerationRequest(prompt(2, 4), sampling=Sampling(2)))[0].new_tokens == 2


def test_closing_cancels_what_runs_and_what_waits_and_then_refuses(qwen3):
    engine = Engine(qwen3, byte_tokenizer(), max_rows=1)
    began = threading.Event()
    tickets = [
        engine.submit(GenerationRequest(prompt(i, 4), sampling=Sampling(120), on_token=lambda _: began.set()))
        for i in range(3)
    ]
    assert began.wait(60)
    engine.close()
    assert {ticket.result(0).finish_reason for ticket in tickets} <= {"cancelled", "length", "stop"}
    assert tickets[2].result(0).finish_reason == "cancelled"
    with pytest.raises(EngineClosed):
        engine.submit(GenerationRequest(prompt(1, 4)))
    engine.close()


def test_waiting_no_longer_than_asked_raises_timeout_and_leaves_the_generation_running(engine):
    hold = threading.Event()
    ticket = engine.submit(
        GenerationRequest(prompt(1, 4), sampling=Sampling(2), on_token=lambda _: hold.wait(60))
    )
    with pytest.raises(TimeoutError):
        ticket.result(0.01)
    hold.set()
    assert ticket.result(60).finish_reason == "length"


async def test_the_event_loop_turns_while_a_ticket_is_awaited(engine):
    # The generation can only go on when the loop gets to run: a loop that is blocked would never end it.
    turn, turns = threading.Semaphore(0), 0
    ticket = engine.submit(
        GenerationRequest(prompt(1, 4), sampling=Sampling(5), on_token=lambda _: turn.acquire(timeout=60))
    )

    async def heartbeat():
        nonlocal turns
        for _ in range(5):
            await asyncio.sleep(0)
            turns += 1
            turn.release()

    beating = asyncio.create_task(heartbeat())
    generation = await ticket
    await beating
    assert (generation.new_tokens, turns) == (5, 5)


async def test_many_tickets_are_awaited_together(qwen3, engine):
    requests = mixed_requests(qwen3)
    generations = await asyncio.gather(*(engine.submit(request) for request in requests))
    assert tokens(generations) == [hf_generate(qwen3, r.prompt_ids, r.steering, NEW) for r in requests]


async def test_cancelling_the_task_that_awaits_stops_the_generation(engine):
    started = threading.Event()
    ticket = engine.submit(
        GenerationRequest(prompt(1, 4), sampling=Sampling(120), on_token=lambda _: started.set())
    )

    async def wait():
        return await ticket

    task = asyncio.create_task(wait())
    await asyncio.to_thread(started.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    generation = await asyncio.to_thread(ticket.result, 60)
    assert generation.finish_reason == "cancelled"


async def test_a_failure_reaches_the_one_who_awaits(engine):
    def broken(_text):
        raise StopIteration  # what asyncio itself cannot carry

    with pytest.raises(GenerationFault, match="StopIteration"):
        await engine.submit(GenerationRequest(prompt(1, 4), on_token=broken))
