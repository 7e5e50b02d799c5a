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

from tests.vectors.engine import batches
from tests.vectors.tiny import CONTEXT, VOCAB, byte_tokenizer, prompt, random_vector, steer
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import EngineClosed, GenerationFault, InvalidRequest, SteeringMismatch
from vectors.steering.intervention import Intervention

# --- what is refused


@pytest.mark.parametrize(
    "steering",
    [
        (Intervention(random_vector(1), 4, 1.0),),
        (Intervention(random_vector(1, 32), 1, 1.0),),
        (Intervention(random_vector(1).int(), 1, 1.0),),
        (Intervention(random_vector(1) * float("nan"), 1, 1.0),),
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
    (generation,) = batches.run(engine, request)
    assert batches.tokens([generation]) == batches.oracle_tokens(qwen3, [request])


def test_a_request_that_the_cache_could_never_hold_is_refused_and_one_that_fills_it_runs(qwen3):
    with Engine(qwen3, byte_tokenizer(), cache_tokens=128) as engine:
        with pytest.raises(InvalidRequest, match="cache of 128"):
            engine.submit(GenerationRequest(prompt(1, 121), sampling=Sampling(8)))
        full = GenerationRequest(prompt(1, 120), sampling=Sampling(8))
        assert batches.tokens(batches.run(engine, full, full)) == batches.oracle_tokens(qwen3, [full, full])


def test_a_cache_smaller_than_a_block_still_serves(qwen3):
    request = GenerationRequest(prompt(1, 9), sampling=Sampling(4))
    with Engine(qwen3, byte_tokenizer(), cache_tokens=1) as engine:
        assert batches.tokens(batches.run(engine, request)) == batches.oracle_tokens(qwen3, [request])


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
    with batches.busy(engine):
        waiting = engine.submit(GenerationRequest(prompt(2, 4), on_token=lambda _: pytest.fail("it started")))
        waiting.cancel()
    generation = waiting.result(60)
    assert (generation.finish_reason, generation.new_tokens, generation.seconds) == ("cancelled", 0, 0)
    assert batches.run(engine, GenerationRequest(prompt(2, 4), sampling=Sampling(2)))[0].new_tokens == 2


@pytest.mark.parametrize("passes", range(1, 8))
def test_a_request_may_be_cancelled_at_any_pass_and_leaves_only_what_is_right(qwen3, monkeypatch, passes):
    """While it goes on from a reused block (four passes), computes its prompt (two), or decodes."""
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    ids = prompt(11, 90)
    first = GenerationRequest(ids[:60], (), Sampling(4))
    leaving = GenerationRequest(ids, steer(batches.bare(qwen3), 1, 0.8), Sampling(4))
    with Engine(qwen3, byte_tokenizer()) as engine:
        batches.run(engine, replace(leaving, prompt_ids=ids[:5]))  # from now on block 1 is recorded
        batches.run(engine, first)
        generation, resumed = batches.cancelled_at_pass(passes, engine, leaving, monkeypatch)
        assert generation.finish_reason == "cancelled"
        assert (resumed[passes - 1] is not None) == (passes <= 4)
        again = batches.run(engine, leaving, first)
        assert batches.tokens(again) == batches.oracle_tokens(qwen3, [leaving, first])
    assert batches.left_behind(engine) == (0, 0, 0)


def test_closing_cancels_what_runs_and_what_waits_and_then_refuses(model):
    engine = Engine(model, byte_tokenizer(), max_rows=1)
    began = threading.Event()

    def until_closing(_text):
        began.set()
        while not engine.closed:
            time.sleep(0.001)

    tickets = [
        engine.submit(GenerationRequest(prompt(i, 40), sampling=Sampling(120), on_token=until_closing))
        for i in range(3)
    ]
    assert began.wait(60)
    engine.close()
    assert {ticket.result(0).finish_reason for ticket in tickets} == {"cancelled"}
    with pytest.raises(EngineClosed):
        engine.submit(GenerationRequest(prompt(1, 4)))
    engine.close()
    assert batches.left_behind(engine) == (0, 0, 0)


def test_a_closed_engine_leaves_no_hook_and_no_function_of_its_own(model):
    def state():
        hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
        own = [name for name, module in model.named_modules() if "forward" in module.__dict__]
        return sum(hooks), own, model.config._attn_implementation

    before = state()
    with Engine(model, byte_tokenizer()) as engine:
        batches.run(engine, *batches.mixed_requests(model))
    assert state() == before


def test_an_engine_after_another_on_the_same_model_generates_the_same(model):
    requests = batches.mixed_requests(model)
    for _ in range(2):
        with Engine(model, byte_tokenizer()) as engine:
            assert batches.tokens(batches.run(engine, *requests)) == batches.oracle_tokens(model, requests)


def test_the_model_is_bare_for_other_threads_while_the_engine_steers(model):
    ids = prompt(9, 11)
    request = replace(batches.mixed_requests(model)[1], sampling=Sampling(200))
    began = threading.Event()
    with Engine(model, byte_tokenizer()) as engine:
        ticket = engine.submit(replace(request, on_token=lambda _: began.set()))
        assert began.wait(60)
        for _ in range(5):
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids])).logits[0]
            torch.testing.assert_close(logits, batches.oracle_logits(model, ids), atol=1e-4, rtol=0)
        ticket.cancel()
        found = list(ticket.result(60).token_ids)
    assert (
        found[: batches.NEW]
        == batches.oracle_tokens(model, [replace(request, sampling=Sampling(batches.NEW))])[0][: len(found)]
    )


def test_a_thread_that_ends_for_want_of_work_never_touches_what_the_next_one_does(qwen3, engine, monkeypatch):
    """The first request's thread is held where it has decided to end, until the second request runs."""
    first, second = batches.mixed_requests(qwen3)[:2]
    second = replace(second, sampling=Sampling(60))
    running, original = threading.Event(), engine._take_arrived

    def held():
        more = original()
        if engine._thread is None:
            assert running.wait(60)
        return more

    monkeypatch.setattr(engine, "_take_arrived", held)
    batches.run(engine, first)
    while engine._thread is not None:  # it has yet to find out that nothing more has come
        time.sleep(0.001)
    resting = [thread for thread in threading.enumerate() if thread.name == "steered-engine"]
    ticket = engine.submit(
        replace(second, on_token=lambda _: (running.set(), [thread.join(60) for thread in resting]))
    )
    generation = ticket.result(60)
    assert batches.tokens([generation]) == batches.oracle_tokens(qwen3, [second])


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is of the whole process")
def test_only_the_engines_thread_is_nicer(model):
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    found = []
    with Engine(model, byte_tokenizer(), niceness=3) as engine:
        told = GenerationRequest(prompt(9, 3), (), Sampling(1), on_token=lambda _: found.append(niceness()))
        engine.submit(told).result()
    assert set(found) == {niceness() + 3}


def test_an_idle_engine_has_no_thread_and_works_again(qwen3, engine):
    requests = batches.mixed_requests(qwen3)
    for _ in range(2):
        for request in requests:
            assert batches.tokens(batches.run(engine, request)) == batches.oracle_tokens(qwen3, [request])
        while any(thread.name == "steered-engine" for thread in threading.enumerate()):
            time.sleep(0.005)


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
    batches.run(engine, GenerationRequest(prompt(1, 40), sampling=Sampling(3)))
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
    requests = batches.mixed_requests(qwen3)
    generations = await asyncio.gather(*(engine.submit(request) for request in requests))
    assert batches.tokens(generations) == batches.oracle_tokens(qwen3, requests)


async def test_cancelling_the_task_that_awaits_stops_the_generation(engine):
    started, go_on = threading.Event(), threading.Event()
    ticket = engine.submit(
        GenerationRequest(
            prompt(1, 4), sampling=Sampling(120), on_token=lambda _: (started.set(), go_on.wait(60))
        )
    )

    async def wait():
        return await ticket

    task = asyncio.create_task(wait())
    await asyncio.to_thread(started.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
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
    assert batches.run(engine, GenerationRequest(prompt(1, 4), sampling=Sampling(2)))[0].new_tokens == 2


# --- other processes


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_in_a_forked_process_the_engine_refuses_and_closes_at_once_and_the_parent_goes_on(qwen3, engine):
    request = GenerationRequest(prompt(1, 4), steer(batches.bare(qwen3), 1, 0.8), sampling=Sampling(60))
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
    assert [list(ticket.result(60).token_ids)] == batches.oracle_tokens(qwen3, [request])


def test_processes_may_be_started_while_rows_run(qwen3, engine):
    requests = [replace(request, sampling=Sampling(60)) for request in batches.mixed_requests(qwen3)]
    tickets = engine.submit_all(requests)
    for number in range(3):
        done = subprocess.run(
            [sys.executable, "-c", f"print({number})"], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == f"{number}\n"
    assert [list(ticket.result(60).token_ids) for ticket in tickets] == batches.oracle_tokens(qwen3, requests)
