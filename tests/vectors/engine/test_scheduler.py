"""Who runs when: rows join and leave at every token, in order of arrival, within rows, tokens and passes."""

import threading
import time
from dataclasses import replace

import pytest

from tests.vectors import tiny
from tests.vectors.engine.batches import bare, busy, left_behind, oracle_tokens, run, tokens
from vectors.engine import scheduler
from vectors.engine.engine import Engine
from vectors.engine.prefixes import PrefixStore
from vectors.engine.requests import GenerationRequest, scoring
from vectors.engine.sampling import Sampling


def request(seed, length, new, on_token=None):
    return GenerationRequest(tiny.prompt(seed, length), (), Sampling(new), on_token)


class Watch:
    """Every pass of an engine: how many tokens of each row, by the row's block, were in it."""

    def __init__(self, engine, monkeypatch):
        self.passes = []
        original = engine._forward.run

        def look(batch, resume=None):
            self.passes.append({piece.block: (piece.start, len(piece.token_ids)) for piece in batch.pieces})
            return original(batch, resume)

        monkeypatch.setattr(engine._forward, "run", look)

    def rows(self):
        return [len(each) for each in self.passes]


# --- joining and leaving


def test_a_short_request_that_comes_later_finishes_while_a_long_one_runs(qwen3, engine):
    began, go_on, order = threading.Event(), threading.Event(), []
    long = engine.submit(request(1, 9, 40, lambda _: (began.set(), go_on.wait(60))))
    assert began.wait(60)
    short = engine.submit(request(2, 9, 3))
    for name, ticket in (("short", short), ("long", long)):
        ticket._future.add_done_callback(lambda _, name=name: order.append(name))
    go_on.set()
    assert tokens([long.result(60), short.result(60)]) == oracle_tokens(
        qwen3, [request(1, 9, 40), request(2, 9, 3)]
    )
    assert order == ["short", "long"]


def test_a_row_that_finishes_gives_its_place_to_the_next_at_the_next_pass(qwen3, monkeypatch):
    with Engine(qwen3, tiny.byte_tokenizer(), max_rows=2) as engine:
        watch = Watch(engine, monkeypatch)
        run(engine, *(request(seed, 5, new) for seed, new in enumerate([3, 8, 2, 3])))
    assert watch.rows() == [2] * 8


def test_a_cancelled_row_gives_its_place_to_the_next(qwen3):
    with Engine(qwen3, tiny.byte_tokenizer(), max_rows=1) as engine:
        began, go_on = threading.Event(), threading.Event()
        long = engine.submit(request(1, 5, 500, lambda _: (began.set(), go_on.wait(60))))
        waiting = engine.submit(request(2, 5, 2))
        assert began.wait(60)
        long.cancel()
        go_on.set()
        assert waiting.result(60).new_tokens == 2
        assert long.result(0).finish_reason == "cancelled"


# --- passes


@pytest.mark.parametrize("steered", [False, True])
def test_a_long_prompt_is_computed_in_pieces_and_stalls_no_decoding_row(qwen3, monkeypatch, steered):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 20)
    began, go_on = [threading.Event(), threading.Event()], threading.Event()
    decoding = [
        request(1, 4, 60, lambda _: began[0].set()),
        request(2, 4, 60, lambda _: (began[1].set(), go_on.wait(60))),
    ]
    long = request(3, 300, 4)
    if steered:
        long = replace(long, steering=tiny.steer(bare(qwen3), 2, 0.8))
    with Engine(qwen3, tiny.byte_tokenizer(), drafts=False) as engine:
        watch = Watch(engine, monkeypatch)
        tickets = engine.submit_all(decoding)
        assert all(own.wait(60) for own in began)
        tickets.append(engine.submit(long))
        go_on.set()
        found = [ticket.result(60) for ticket in tickets]
    assert tokens(found) == oracle_tokens(qwen3, [*decoding, long])
    with_prompt = [each for each in watch.passes if any(count > 4 for _, count in each.values())]
    assert len(with_prompt) == 15
    for each in with_prompt:
        assert sorted(count for _, count in each.values()) == [1, 1, 20]


def test_prompts_share_the_budget_of_a_pass_in_order_of_arrival(qwen3, monkeypatch):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 50)
    with Engine(qwen3, tiny.byte_tokenizer()) as engine:
        with busy(engine):
            watch = Watch(engine, monkeypatch)
            tickets = engine.submit_all([request(1, 70, 3), request(2, 40, 3), request(3, 30, 3)])
        for ticket in tickets:
            ticket.result(60)
    by_start = [sorted(each.values()) for each in watch.passes[:3]]
    assert by_start[0] == [(0, 50)]
    assert by_start[1] == [(0, 30), (50, 20)]
    assert by_start[2] == [(0, 30), (30, 10), (70, 1)]


def test_scores_are_computed_in_one_pass_where_their_tokens_fit(qwen3, monkeypatch):
    with Engine(qwen3, tiny.byte_tokenizer()) as engine:
        watch = Watch(engine, monkeypatch)
        engine.score(tiny.prompt(1, 20), tiny.prompt(2, 100)).result(60)
    assert [list(each.values()) for each in watch.passes] == [[(0, 119)]]


# --- bounds and order


def test_scores_of_a_large_vocabulary_are_made_a_few_at_a_time(qwen3, monkeypatch):
    requests = [scoring(tiny.prompt(seed, 20), tiny.prompt(seed + 9, 30)) for seed in range(2)]
    with Engine(qwen3, tiny.byte_tokenizer(), max_rows=2) as engine:
        whole = [each.logprobs for each in run(engine, *requests)]
    monkeypatch.setattr(scheduler, "_LOGITS", 8 * tiny.VOCAB)
    with Engine(qwen3, tiny.byte_tokenizer(), max_rows=2) as engine:
        made, forward = [], engine._forward.run
        monkeypatch.setattr(
            engine._forward,
            "run",
            lambda batch, resume=None: (made.append(len(batch.wanted)), forward(batch, resume))[1],
        )
        pieces = [each.logprobs for each in run(engine, *requests)]
    assert max(made) == 8
    assert sum(made) == 2 * 30
    for one, other in zip(whole, pieces, strict=True):
        assert other == pytest.approx(one, abs=1e-5)


def test_never_more_rows_run_than_allowed_and_they_start_in_order_of_arrival(qwen3, monkeypatch):
    started = []
    requests = [
        request(seed, 5 + 7 * (seed % 3), 2 + seed % 4, lambda _, seed=seed: started.append(seed))
        for seed in range(20)
    ]
    with Engine(qwen3, tiny.byte_tokenizer(), max_rows=3) as engine:
        watch = Watch(engine, monkeypatch)
        found = run(engine, *requests)
    assert tokens(found) == oracle_tokens(qwen3, requests)
    assert max(watch.rows()) == 3
    # Those that start in the same pass may be told in any order.
    assert all(abs(place - seed) < 3 for place, seed in enumerate(dict.fromkeys(started)))


def test_what_runs_never_holds_more_than_the_cache_and_a_big_request_is_not_overtaken(qwen3, monkeypatch):
    """The fourth needs the whole cache: it waits for the three before it, and the small ones wait for it."""
    started, used = [], []
    lengths = [100, 100, 100, 400, 20, 20, 100]
    requests = [
        request(seed, length, 4, lambda _, seed=seed: started.append(seed))
        for seed, length in enumerate(lengths)
    ]
    with Engine(qwen3, tiny.byte_tokenizer(), cache_tokens=512) as engine:
        original = engine._forward.run

        def look(batch, resume=None):
            used.append(engine.stats().cache_tokens_used)
            return original(batch, resume)

        monkeypatch.setattr(engine._forward, "run", look)
        found = run(engine, *requests)
    assert tokens(found) == oracle_tokens(qwen3, requests)
    assert max(used) <= 512
    assert list(dict.fromkeys(started)) == list(range(len(lengths)))
    assert left_behind(engine) == (0, 0, 0)


def test_blocks_of_rows_that_left_merge_into_room_for_a_long_one(qwen3):
    """Rows of many sizes come and go until the smallest kept prefix would keep the largest row out."""
    with Engine(qwen3, tiny.byte_tokenizer(), cache_tokens=512, max_rows=4) as engine:
        for seed in range(3):
            run(engine, *(request(10 * seed + n, 20 + 30 * n, 3) for n in range(5)))
            longest = request(seed, 500, 4)
            assert tokens(run(engine, longest)) == oracle_tokens(qwen3, [longest])


def test_a_row_waits_for_a_prompt_that_is_being_computed_while_others_go_on(qwen3, monkeypatch):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    ids, finished = tiny.prompt(4, 150), []
    alike = [GenerationRequest((*ids, seed), (), Sampling(3)) for seed in range(2)]
    other = request(7, 5, 2)
    with Engine(qwen3, tiny.byte_tokenizer()) as engine:
        with busy(engine):
            tickets = engine.submit_all([*alike, other])
            for name, ticket in enumerate(tickets):
                ticket._future.add_done_callback(lambda _, name=name: finished.append(name))
        found = [ticket.result(60) for ticket in tickets]
    assert tokens(found) == oracle_tokens(qwen3, [*alike, other])
    assert finished == [2, 0, 1]
    assert found[0].reused_tokens == 0 and found[1].reused_tokens >= 118


def test_a_crowd_that_waits_is_not_searched_at_every_pass(qwen3, monkeypatch):
    """Hundreds of rows that wait for one prompt must not stall the row that decodes meanwhile."""
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    compared, original = [0], PrefixStore.match

    def count(*args):
        compared[0] += 1
        return original(*args)

    ids = tiny.prompt(4, 200)
    steerings = [tiny.steer(bare(qwen3), layer, 0.8) for layer in range(tiny.LAYERS)]
    crowd = [GenerationRequest(ids, steerings[seed % 4], Sampling(1)) for seed in range(600)]
    with Engine(qwen3, tiny.byte_tokenizer()) as engine:
        per_pass, forward = [], engine._forward.run

        def look(batch, resume=None):
            per_pass.append(compared[0])
            compared[0] = 0
            return forward(batch, resume)

        monkeypatch.setattr(engine._forward, "run", look)
        monkeypatch.setattr(PrefixStore, "match", count)
        tickets = engine.submit_all(crowd)
        while len(per_pass) < 10:
            time.sleep(0.01)
        for ticket in tickets:
            ticket.cancel()
        for ticket in tickets:
            ticket.result(60)
    assert max(per_pass) < 1000


# --- from many places at once


def test_many_threads_submit_at_once(qwen3, engine):
    requests = [request(seed, 3 + seed % 20, 1 + seed % 6) for seed in range(48)]
    found, start = {}, threading.Barrier(12)

    def work(mine):
        start.wait(60)
        for row in mine:
            found[row] = engine.submit(requests[row]).result(60)

    threads = [threading.Thread(target=work, args=(range(n, 48, 12),)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert tokens(found[row] for row in range(48)) == oracle_tokens(qwen3, requests)
    assert engine.stats().done.rows == 48
