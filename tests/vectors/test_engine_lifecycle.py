"""What the engine refuses, survives, batches, cancels and hands to an event loop."""

import asyncio
import threading
from dataclasses import replace

import pytest
import torch

from tests.vectors.batches import NEW, busy, mixed_requests, run, tokens
from tests.vectors.tiny import (
    CONTEXT,
    VOCAB,
    byte_tokenizer,
    hf_generate,
    prompt,
    random_vector,
    tiny_model,
)
from vectors.blocks import decoder_blocks
from vectors.engine import Engine, GenerationRequest
from vectors.errors import EngineClosed, GenerationFault, InvalidRequest, SteeringMismatch, VectorsError
from vectors.sampling import Sampling
from vectors.steering import Steering


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
