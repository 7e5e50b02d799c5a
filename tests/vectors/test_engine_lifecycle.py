"""What the engine refuses, survives, cancels, hands to an event loop and does when processes fork."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch

from tests.vectors.batches import (
    NEW,
    bare,
    busy,
    left_behind,
    mixed_requests,
    oracle_logits,
    oracle_tokens,
    run,
    tokens,
)
from tests.vectors.tiny import (
    CONTEXT,
    VOCAB,
    byte_tokenizer,
    prompt,
    random_vector,
    steer,
    tiny_model,
)
from vectors.blocks import decoder_blocks
from vectors.engine import Engine, GenerationRequest
from vectors.errors import (
    EngineClosed,
    GenerationFault,
    InvalidRequest,
    SteeringMismatch,
    UnsupportedModel,
    VectorsError,
)
from vectors.sampling import Sampling
from vectors.steering import Steering

# --- what is refused


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


def test_of_requests_handed_over_together_none_runs_where_one_is_wrong(engine):
    good = GenerationRequest(prompt(1, 4), on_token=lambda _: pytest.fail("it ran"))
    with pytest.raises(InvalidRequest):
        engine.submit_all([good, GenerationRequest(())])
    assert engine.stats().waiting == engine.stats().running == engine.stats().done.rows == 0


def test_a_prompt_may_fill_the_context_to_the_last_position(qwen3, engine):
    request = GenerationRequest(prompt(1, CONTEXT - 4), sampling=Sampling(4))
    (generation,) = run(engine, request)
    assert tokens([generation]) == oracle_tokens(qwen3, [request])


def test_a_request_that_the_cache_could_never_hold_is_refused_and_one_that_fills_it_runs(qwen3):
    with Engine(qwen3, byte_tokenizer(), cache_tokens=128) as engine:
        with pytest.raises(InvalidRequest, match="cache of 128"):
            engine.submit(GenerationRequest(prompt(1, 121), sampling=Sampling(8)))
        full = GenerationRequest(prompt(1, 120), sampling=Sampling(8))
        assert tokens(run(engine, full, full)) == oracle_tokens(qwen3, [full, full])


def test_a_cache_smaller_than_a_block_still_serves(qwen3):
    request = GenerationRequest(prompt(1, 9), sampling=Sampling(4))
    with Engine(qwen3, byte_tokenizer(), cache_tokens=1) as engine:
        assert tokens(run(engine, request)) == oracle_tokens(qwen3, [request])


# --- faults


def test_a_callback_that_raises_fails_its_own_request_alone(qwen3, engine):
    def broken(_text):
        raise KeyError("the caller's own fault")

    requests = mixed_requests(qwen3)
    requests[1] = replace(requests[1], on_token=broken)
    tickets = engine.submit_all(requests)
    with pytest.raises(GenerationFault, match="on_token raised KeyError") as caught:
        tickets[1].result(60)
    assert isinstance(caught.value.__cause__, KeyError)
    rest = [0, *range(2, len(requests))]
    found = [list(tickets[row].result(60).token_ids) for row in rest]
    assert found == oracle_tokens(qwen3, [requests[row] for row in rest])


POISON = 250


@pytest.mark.parametrize("chunk", [256, 8])
@pytest.mark.parametrize("block", [0, 3])
def test_a_fault_inside_a_pass_fails_the_row_that_causes_it_and_changes_no_other(
    model, monkeypatch, chunk, block
):
    """The pass that holds a poisoned row has run some blocks, and their memory, for the others before."""
    monkeypatch.setattr("vectors.scheduler._PROMPT_TOKENS", chunk)
    clean = [
        replace(request, prompt_ids=tuple(token % POISON for token in request.prompt_ids))
        for request in mixed_requests(model)
    ]
    poisoned = GenerationRequest((*prompt(7, 9), POISON, *prompt(8, 9)), sampling=Sampling(NEW))
    seen = []

    def note(_module, args, kwargs=None):
        seen[:] = [(kwargs or {}).get("input", args[0] if args else None)]

    def fail(*_args):
        if (seen[0] == POISON).any():
            raise RuntimeError("out of memory")

    wanted = oracle_tokens(model, clean)
    assert not any(POISON in row for row in wanted)
    with Engine(model, byte_tokenizer()) as engine:
        handles = [model.get_input_embeddings().register_forward_pre_hook(note)]
        if engine._forward.resumable:  # its blocks are not called, but a part of each is
            place = model.model.layers[block].self_attn.o_proj
            original = place.plus
            monkeypatch.setattr(place, "plus", lambda *args: (fail(), original(*args))[1])
        else:
            handles.append(decoder_blocks(model)[block].register_forward_hook(fail))
        tickets = engine.submit_all([*clean[:3], poisoned, *clean[3:]])
        sick = tickets.pop(3)
        with pytest.raises(GenerationFault, match="out of memory"):
            sick.result(60)
        assert [list(ticket.result(60).token_ids) for ticket in tickets] == wanted
        for handle in handles:
            handle.remove()
        assert tokens(run(engine, *clean)) == wanted
    assert left_behind(engine) == (0, 0, 0)


def test_after_a_fault_the_model_is_bare_to_the_bit(model):
    ids = torch.tensor([prompt(9, 11)])
    with Engine(model, byte_tokenizer()) as engine, torch.inference_mode():
        before = model(input_ids=ids).logits
        broken = replace(mixed_requests(model)[1], on_token=lambda _: 1 / 0)
        with pytest.raises(VectorsError):
            run(engine, broken)
        assert torch.equal(model(input_ids=ids).logits, before)
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=ids).logits[0], oracle_logits(model, ids[0].tolist()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_logits_that_are_not_finite_fail_their_row_alone_and_leave_nothing_in_the_cache(dtype):
    model = tiny_model("qwen3", dtype)
    overflow = Steering(random_vector(1), 1, 3e38, "multiply")
    well = [GenerationRequest(prompt(row, 5 + 30 * row), sampling=Sampling(NEW)) for row in range(3)]
    with Engine(model, byte_tokenizer()) as engine:
        alone = [run(engine, each)[0].token_ids for each in well]
    with Engine(model, byte_tokenizer()) as engine:
        sick = [GenerationRequest(prompt(8, 60), overflow, Sampling(NEW)) for _ in range(3)]
        for _ in range(2):  # the second time in blocks that sick rows have had
            tickets = engine.submit_all([sick[0], well[0], sick[1], well[1], sick[2], well[2]])
            for ticket in tickets[::2]:
                with pytest.raises(GenerationFault, match="not finite"):
                    ticket.result(60)
            assert [ticket.result(60).token_ids for ticket in tickets[1::2]] == alone
            engine.submit(sick[0]).cancel()
    assert left_behind(engine) == (0, 0, 0)


@pytest.mark.parametrize("passes", [1, 4])
def test_a_row_cancelled_before_anyone_knew_that_it_is_not_finite_poisons_no_later_row(
    qwen3, monkeypatch, passes
):
    monkeypatch.setattr("vectors.scheduler._PROMPT_TOKENS", 16)
    sick = GenerationRequest(prompt(8, 100), Steering(random_vector(1), 1, 3e38, "multiply"))
    well = [GenerationRequest(prompt(row, 3 + 40 * row), sampling=Sampling(NEW)) for row in range(3)]
    with Engine(qwen3, byte_tokenizer(), cache_tokens=512) as engine:
        seen, original = [], engine._forward.run

        def count(batch, resume=None):
            seen.append(batch)
            if len(seen) == passes:
                ticket.cancel()
            return original(batch, resume)

        with busy(engine):
            monkeypatch.setattr(engine._forward, "run", count)
            ticket = engine.submit(replace(sick, sampling=Sampling(NEW)))
        assert ticket.result(60).finish_reason == "cancelled"
        while engine._prefixes.evict():  # the engine is idle
            pass
        assert tokens(run(engine, *well)) == oracle_tokens(qwen3, well)


def test_a_tokenizer_that_cannot_decode_a_token_fails_the_row_that_chose_it(qwen3):
    whole, other = mixed_requests(qwen3)[0], mixed_requests(qwen3)[1]
    (wanted, rest) = oracle_tokens(qwen3, [whole, other])
    fatal = next(token for token in wanted[2:] if token not in rest)

    class Fragile:
        eos_token_id = byte_tokenizer().eos_token_id

        def decode(self, token_ids, **kwargs):
            if fatal in token_ids:
                raise UnicodeError("no such token")
            return byte_tokenizer().decode(token_ids, **kwargs)

    with Engine(qwen3, Fragile()) as engine:
        broken, well = engine.submit_all([whole, other])
        with pytest.raises(GenerationFault, match="no such token"):
            broken.result(60)
        assert list(well.result(60).token_ids) == rest


def test_a_model_that_does_not_attend_through_transformers_is_refused_and_left_as_it_was():
    model = tiny_model("gemma3")
    attention = decoder_blocks(model)[1].self_attn
    plain, implementation = attention.forward, model.config._attn_implementation
    attention.forward = lambda hidden_states, **_: (hidden_states * 0.5, None)
    with pytest.raises(UnsupportedModel, match=r"blocks \[1\]"):
        Engine(model, byte_tokenizer())
    assert model.config._attn_implementation == implementation
    attention.forward = plain
    request = GenerationRequest(prompt(1, 30), steer(bare(model), 1, 0.8), Sampling(4))
    with Engine(model, byte_tokenizer()) as engine:
        assert tokens(run(engine, request)) == oracle_tokens(model, [request])


# --- cancelling and closing


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
    generation = waiting.result(60)
    assert (generation.finish_reason, generation.new_tokens, generation.seconds) == ("cancelled", 0, 0)
    assert run(engine, GenerationRequest(prompt(2, 4), sampling=Sampling(2)))[0].new_tokens == 2


@pytest.mark.parametrize("passes", range(1, 8))
def test_a_request_may_be_cancelled_at_any_pass_and_leaves_only_what_is_right(qwen3, monkeypatch, passes):
    """While it goes on from a reused block (four passes), computes its prompt (two), or decodes."""
    monkeypatch.setattr("vectors.scheduler._PROMPT_TOKENS", 16)
    ids, seen = prompt(11, 90), []
    first = GenerationRequest(ids[:60], None, Sampling(4))
    leaving = GenerationRequest(ids, steer(bare(qwen3), 1, 0.8), Sampling(4))
    with Engine(qwen3, byte_tokenizer()) as engine:
        run(engine, replace(leaving, prompt_ids=ids[:5]))  # from now on block 1 is recorded
        run(engine, first)
        original = engine._forward.run

        def count(batch, resume=None):
            seen.append(resume)
            if len(seen) == passes:
                ticket.cancel()
            return original(batch, resume)

        with busy(engine):
            monkeypatch.setattr(engine._forward, "run", count)
            ticket = engine.submit(leaving)
        generation = ticket.result(60)
        assert generation.finish_reason == "cancelled"
        assert (seen[passes - 1] is not None) == (passes <= 4)
        again = run(engine, leaving, first)
        assert tokens(again) == oracle_tokens(qwen3, [leaving, first])
    assert left_behind(engine) == (0, 0, 0)


def test_closing_cancels_what_runs_and_what_waits_and_then_refuses(model):
    engine = Engine(model, byte_tokenizer(), max_rows=1)
    began = threading.Event()
    tickets = [
        engine.submit(
            GenerationRequest(prompt(i, 40), sampling=Sampling(120), on_token=lambda _: began.set())
        )
        for i in range(3)
    ]
    assert began.wait(60)
    engine.close()
    assert {ticket.result(0).finish_reason for ticket in tickets} <= {"cancelled", "length", "stop"}
    assert tickets[2].result(0).finish_reason == "cancelled"
    with pytest.raises(EngineClosed):
        engine.submit(GenerationRequest(prompt(1, 4)))
    engine.close()
    assert left_behind(engine) == (0, 0, 0)


def test_a_closed_engine_leaves_no_hook_and_no_function_of_its_own(model):
    def state():
        hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
        own = [name for name, module in model.named_modules() if "forward" in module.__dict__]
        return sum(hooks), own, model.config._attn_implementation

    before = state()
    with Engine(model, byte_tokenizer()) as engine:
        run(engine, *mixed_requests(model))
    assert state() == before


def test_an_engine_after_another_on_the_same_model_generates_the_same(model):
    requests = mixed_requests(model)
    for _ in range(2):
        with Engine(model, byte_tokenizer()) as engine:
            assert tokens(run(engine, *requests)) == oracle_tokens(model, requests)


def test_the_model_is_bare_for_other_threads_while_the_engine_steers(model):
    ids = prompt(9, 11)
    request = replace(mixed_requests(model)[1], sampling=Sampling(200))
    began = threading.Event()
    with Engine(model, byte_tokenizer()) as engine:
        ticket = engine.submit(replace(request, on_token=lambda _: began.set()))
        assert began.wait(60)
        for _ in range(5):
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids])).logits[0]
            torch.testing.assert_close(logits, oracle_logits(model, ids), atol=1e-4, rtol=0)
        ticket.cancel()
        found = list(ticket.result(60).token_ids)
    assert found[:NEW] == oracle_tokens(model, [replace(request, sampling=Sampling(NEW))])[0][: len(found)]


# --- waiting for a result


def test_waiting_no_longer_than_asked_raises_timeout_and_leaves_the_generation_running(engine):
    hold = threading.Event()
    ticket = engine.submit(
        GenerationRequest(prompt(1, 4), sampling=Sampling(2), on_token=lambda _: hold.wait(60))
    )
    with pytest.raises(TimeoutError):
        ticket.result(0.01)
    hold.set()
    assert ticket.result(60).finish_reason == "length"


def test_statistics_are_of_a_moment(engine):
    before = engine.stats()
    run(engine, GenerationRequest(prompt(1, 40), sampling=Sampling(3)))
    after = engine.stats()
    assert (before.done.rows, before.done.new_tokens, before.done.passes) == (0, 0, 0)
    assert (after.done.rows, after.done.new_tokens, after.done.prompt_tokens) == (1, 3, 40)
    assert (after.running, after.waiting, after.prefixes) == (0, 0, 1)


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
    assert tokens(generations) == oracle_tokens(qwen3, requests)


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


def test_an_event_loop_that_ended_before_its_generation_does_not_harm_the_engine(engine):
    hold = threading.Event()
    ticket = engine.submit(
        GenerationRequest(prompt(1, 4), sampling=Sampling(2), on_token=lambda _: hold.wait(60))
    )

    async def give_up():
        await asyncio.wait_for(ticket, 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    hold.set()
    assert ticket.result(60).finish_reason == "cancelled"
    assert run(engine, GenerationRequest(prompt(1, 4), sampling=Sampling(2)))[0].new_tokens == 2


# --- other processes


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_in_a_forked_process_the_engine_refuses_and_closes_at_once_and_the_parent_goes_on(qwen3, engine):
    request = GenerationRequest(prompt(1, 4), steer(bare(qwen3), 1, 0.8), sampling=Sampling(60))
    seen = threading.Semaphore(0)
    ticket = engine.submit(replace(request, on_token=lambda _: (seen.release(), time.sleep(0.005))))
    for _ in range(3):
        assert seen.acquire(timeout=60)
    child = os.fork()
    if child == 0:
        try:
            engine.submit(request)
        except EngineClosed:
            engine.close()
            os._exit(7)
        os._exit(1)
    deadline = time.monotonic() + 30
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the forked process hangs")
    assert os.waitstatus_to_exitcode(ended[1]) == 7
    assert [list(ticket.result(60).token_ids)] == oracle_tokens(qwen3, [request])


def test_processes_may_be_started_while_rows_run(qwen3, engine):
    requests = [replace(request, sampling=Sampling(60)) for request in mixed_requests(qwen3)]
    tickets = engine.submit_all(requests)
    for number in range(3):
        done = subprocess.run(
            [sys.executable, "-c", f"print({number})"], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == f"{number}\n"
    assert [list(ticket.result(60).token_ids) for ticket in tickets] == oracle_tokens(qwen3, requests)
