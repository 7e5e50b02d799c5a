"""What rows reuse of one another: that they do, and that nobody can tell by their tokens."""

import gc
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors import tiny
from tests.vectors.engine.batches import bare, busy, left_behind, oracle_tokens, run, tokens
from vectors.engine.engine import Engine
from vectors.engine.prefixes import MIN_TOKENS
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.steering.positions import ALL, GENERATED

NEW = 8
LONG = tiny.prompt(11, 150)


def request(model, layer=None, ids=LONG, seed=1, **steering):
    """A request for NEW tokens after `ids`, steered after block `layer` if that is given."""
    vector = () if layer is None else tiny.steer(bare(model), layer, 0.8, seed=seed, **steering)
    return GenerationRequest(ids, vector, Sampling(NEW))


def changed(model, *requests):
    """Whether steering changes the tokens of every request that has any: else no reuse could be wrong."""
    steered = [each for each in requests if each.steering]
    plain = [replace(each, steering=()) for each in steered]
    pairs = zip(oracle_tokens(model, steered), oracle_tokens(model, plain), strict=True)
    return all(one != other for one, other in pairs)


@pytest.fixture(params=["qwen3", "llama"])
def resumable(request):
    """A family that can start after any block."""
    return tiny.tiny_model(request.param)


def whole(request):
    return len(request.prompt_ids) - 1


# --- after one another


def test_a_row_steered_alike_reuses_all_of_the_prompt_but_its_last_token(model):
    requests = [request(model), request(model, 1), request(model, 2, operation="multiply")]
    assert changed(model, *requests)
    with Engine(model, tiny.byte_tokenizer()) as engine:
        for each in requests:
            first, again = run(engine, each)[0], run(engine, each)[0]
            assert tokens([first, again]) == oracle_tokens(model, [each]) * 2
            assert again.reused_tokens == (whole(each) if engine._forward.reusable else 0)
            assert first.reused_tokens == 0 or engine._forward.resumable


def test_steering_of_generated_positions_shares_the_prompt_with_unsteered_rows_and_others_like_it(model):
    requests = [
        request(model, 1, positions=GENERATED),
        request(model),
        request(model, 2, seed=2, positions=GENERATED),
    ]
    assert changed(model, *requests)
    with Engine(model, tiny.byte_tokenizer()) as engine:
        found = [run(engine, each)[0] for each in requests]
        assert tokens(found) == oracle_tokens(model, requests)
        shared = whole(requests[0]) if engine._forward.reusable else 0
        assert [each.reused_tokens for each in found] == [0, shared, shared]


@pytest.mark.parametrize("layers", [(None, 2), (2, None), (3, 1), (1, 3), (None, 0), (None, 3), (2, 2)])
def test_rows_steered_differently_share_the_blocks_up_to_the_first_that_is_steered(resumable, layers):
    donor, row = (request(resumable, layer, seed=seed) for seed, layer in enumerate(layers))
    assert changed(resumable, donor, row)
    deepest = min(layer for layer in layers if layer is not None)
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        # What is recorded follows from what rows were steered at before.
        run(engine, request(resumable, deepest, ids=tiny.prompt(5, 6)))
        found = [run(engine, each)[0] for each in (donor, row)]
        assert tokens(found) == oracle_tokens(resumable, [donor, row])
        assert found[1].reused_tokens == whole(row)
        assert engine.stats().done.reused_tokens == pytest.approx(whole(row) * (deepest + 1) / tiny.LAYERS)


def test_rows_that_go_on_from_one_donor_leave_its_records_as_they_were(resumable):
    donor, first, second = (request(resumable, layer, seed=n) for n, layer in enumerate([None, 1, 1]))
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        run(engine, request(resumable, 1, ids=tiny.prompt(5, 6)))
        found = [
            run(engine, each)[0] for each in (donor, first, second, replace(first, steering=donor.steering))
        ]
    assert tokens(found) == oracle_tokens(resumable, [donor, first, second, donor])


def test_a_row_that_reuses_a_row_that_reused_one_is_what_it_is_alone(resumable):
    """Records are handed down over generations, with layers joining and leaving them."""
    ids, layers = LONG, [3, None, 2, 1, None, 2, 0, 3]
    requests = [
        request(resumable, layer, (*ids[: 60 + 10 * n], *tiny.prompt(n, 5)), seed=n)
        for n, layer in enumerate(layers)
    ]
    assert changed(resumable, *requests)
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        found = [run(engine, each)[0] for each in requests * 2]
    assert tokens(found) == oracle_tokens(resumable, requests) * 2
    assert sum(each.reused_tokens > 0 for each in found) > len(requests)


def test_an_answer_that_has_become_part_of_a_prompt_is_reused_and_what_follows_it_is_right(resumable):
    ids = tiny.prompt(3, 50)
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        run(engine, request(resumable, 1, ids=tiny.prompt(5, 6)))
        (answer,) = run(engine, replace(request(resumable, ids=ids), sampling=Sampling(40)))
        second = request(resumable, ids=(*ids, *answer.token_ids, *tiny.prompt(4, 20)))
        (after,) = run(engine, second)
        third = request(resumable, 1, ids=second.prompt_ids)
        (steered,) = run(engine, third)
    assert changed(resumable, third)
    assert after.reused_tokens > len(ids)
    assert tokens([after, steered]) == oracle_tokens(resumable, [second, third])


def test_tokens_to_follow_are_neither_reused_nor_lost(resumable):
    followed = tiny.prompt(8, 60)
    plain = request(resumable)
    follow = replace(plain, sampling=Sampling(60 + NEW, forced_ids=followed))
    wanted = oracle_tokens(resumable, [request(resumable, ids=(*LONG, *followed))])
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        found = [run(engine, follow)[0] for _ in range(2)]
        assert [list(each.token_ids) for each in found] == [[*followed, *tokens_] for tokens_ in wanted * 2]
        assert found[1].reused_tokens == whole(plain)


def test_a_pass_that_ends_one_token_before_the_last_to_follow_records_all_it_promises(resumable, monkeypatch):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 36)
    ids, followed = tiny.prompt(3, 35), tiny.prompt(8, 2)
    donor = GenerationRequest(ids, (), Sampling(40, forced_ids=followed))
    later = request(resumable, 1, ids=(*ids, *followed, *tiny.prompt(9, 30)))
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        run(engine, request(resumable, 1, ids=tiny.prompt(5, 6)))
        run(engine, donor)
        assert tokens(run(engine, later)) == oracle_tokens(resumable, [later])


@settings(max_examples=15)
@given(data=st.data())
def test_whatever_came_before_a_row_is_what_it_is_alone(data):
    """Random families of prompts, steerings and lengths through one engine with a small cache."""
    model = tiny.tiny_model("llama")
    made = st.builds(
        lambda layer, seed, shared, tail, positions: request(
            model, layer, (*LONG[:shared], *tiny.prompt(seed, tail)), seed=seed, positions=positions
        ),
        st.sampled_from([None, 0, 1, 2, 3]),
        st.integers(1, 2),
        st.sampled_from([0, 31, 33, 64, 150]),
        st.sampled_from([2, 3, 40]),
        st.sampled_from([ALL, GENERATED]),
    )
    batches = data.draw(st.lists(st.lists(made, min_size=1, max_size=4), min_size=1, max_size=5))
    with Engine(model, tiny.byte_tokenizer(), max_rows=3, cache_tokens=1024) as engine:
        for batch in batches:
            assert tokens(run(engine, *batch)) == oracle_tokens(model, batch)
    assert left_behind(engine) == (0, 0, 0)


# --- of different owners


def computed(engine, *requests):
    """What the requests, run together, reused each and computed in all."""
    before = engine.stats().done.computed_tokens
    found = run(engine, *requests)
    return [each.reused_tokens for each in found], engine.stats().done.computed_tokens - before


@pytest.mark.parametrize("layers", [(None, None), (None, 2), (1, 3), (2, 2)])
def test_nothing_that_one_owner_computed_changes_what_another_reuses_or_computes(resumable, layers):
    theirs, mine = (
        replace(request(resumable, layer), owner=name) for layer, name in zip(layers, "ab", strict=True)
    )
    other = replace(theirs, prompt_ids=tiny.prompt(12, len(LONG)))
    measured = []
    for before in (theirs, other):
        with Engine(resumable, tiny.byte_tokenizer()) as engine:
            run(engine, request(resumable, 1, ids=tiny.prompt(5, 6)))
            computed(engine, before)
            measured.append(computed(engine, mine))
            assert computed(engine, mine)[0] == [whole(mine)]  # its own it reuses
    assert measured[0] == measured[1] == ([0], pytest.approx(len(LONG) + NEW - 1))


def test_rows_of_different_owners_that_arrive_together_do_not_wait_for_one_another(resumable, monkeypatch):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 64)
    alike = [
        replace(request(resumable, layer), owner=name)
        for layer, name in zip((None, 2, 3), "abc", strict=True)
    ]
    unlike = [replace(each, prompt_ids=tiny.prompt(n + 20, len(LONG))) for n, each in enumerate(alike)]
    measured = []
    for requests in (alike, unlike):
        with Engine(resumable, tiny.byte_tokenizer(), drafts=False) as engine:
            measured.append((*computed(engine, *requests), engine.stats().done.passes))
    assert measured[0] == measured[1]
    assert measured[0][0] == [0, 0, 0]


def test_owners_share_what_both_say_is_public_and_no_token_more(resumable):
    public = 70
    mine, theirs = (replace(request(resumable), owner=name, public_tokens=public) for name in "ab")
    secretive = replace(request(resumable), owner="c")
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        found = [run(engine, each)[0] for each in (mine, theirs, secretive)]
    assert [each.reused_tokens for each in found] == [0, public, 0]
    assert tokens(found) == oracle_tokens(resumable, [mine]) * 3


# --- at the same time


def test_rows_that_arrive_together_compute_their_common_prompt_once(resumable, monkeypatch):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 64)
    layers = [None, 1, 3, 1, 2, None]
    requests = [request(resumable, layer, (*LONG, seed), seed=seed) for seed, layer in enumerate(layers)]
    assert changed(resumable, *requests)
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        found = run(engine, *requests)
    assert tokens(found) == oracle_tokens(resumable, requests)
    assert sorted(each.reused_tokens >= 128 for each in found) == [False] + [True] * (len(layers) - 1)


def test_samples_of_one_prompt_with_one_steering_are_what_they_are_alone(model):
    prompts = (LONG[:57], tiny.prompt(2, 9))
    steering = tiny.steer(bare(model), 1, 0.8)
    requests = [
        GenerationRequest(prompts[n % 2], steering if n % 3 else (), Sampling(10, temperature=1.0, seed=n))
        for n in range(8)
    ]
    with Engine(model, tiny.byte_tokenizer()) as engine:
        alone = [run(engine, each)[0].token_ids for each in requests]
    with Engine(model, tiny.byte_tokenizer()) as engine:
        assert [each.token_ids for each in run(engine, *requests)] == alone
    assert len(set(alone)) > 4


def test_a_row_that_waits_for_anothers_prompt_goes_on_when_that_one_is_cancelled(resumable, monkeypatch):
    """The second row waits for the first to compute their prompt; the first never finishes it."""
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    leaving, staying = request(resumable), request(resumable, 2)
    passes, ticket = [], None

    def count(*_args):
        passes.append(1)
        if len(passes) == 4:
            ticket.cancel()

    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        with busy(engine):
            handle = resumable.get_input_embeddings().register_forward_hook(count)
            ticket, other = engine.submit(leaving), engine.submit(staying)
        assert ticket.result(60).finish_reason == "cancelled"
        found = other.result(60)
        handle.remove()
    assert tokens([found]) == oracle_tokens(resumable, [staying])


# --- bounds


def test_a_full_cache_drops_what_was_not_used_for_longest_and_rows_are_what_they_are_alone(resumable):
    requests = [request(resumable, seed % 4, tiny.prompt(seed, 100), seed=seed) for seed in range(6)]
    with Engine(resumable, tiny.byte_tokenizer(), cache_tokens=512) as engine:
        found = [run(engine, each)[0] for each in requests]
        assert engine.stats().cache_tokens_used <= 512
        latest, oldest = run(engine, requests[-1])[0], run(engine, requests[0])[0]
    wanted = oracle_tokens(resumable, requests)
    assert tokens([*found, latest, oldest]) == [*wanted, wanted[-1], wanted[0]]
    assert (latest.reused_tokens, oldest.reused_tokens) == (whole(requests[-1]), 0)


def test_a_prefix_that_another_covers_is_not_kept_twice(qwen3, engine):
    for new in (1, NEW, NEW, 3):
        run(engine, replace(request(qwen3), sampling=Sampling(new)))
    kept = engine.stats()
    assert (kept.prefixes, kept.cache_tokens_used) == (1, 256)


def test_short_prompts_leave_nothing(qwen3, engine):
    run(engine, request(qwen3, ids=LONG[: MIN_TOKENS - NEW]))
    assert (engine.stats().prefixes, engine.stats().cache_tokens_used) == (0, 0)


def test_a_row_that_failed_leaves_nothing_to_others(qwen3, engine):
    with pytest.raises(Exception, match="on_token"):
        run(engine, replace(request(qwen3), on_token=lambda _: 1 / 0))
    assert (engine.stats().prefixes, engine.stats().cache_tokens_used) == (0, 0)


def test_a_ticket_that_is_kept_holds_none_of_the_rows_tensors(resumable):
    with Engine(resumable, tiny.byte_tokenizer()) as engine:
        tickets = engine.submit_all([request(resumable, layer, seed=9) for layer in (None, 0, 1, 2, 3)])
        for ticket in tickets:
            ticket.result(60)
    left_behind(engine)
    gc.collect()
    kept = [
        each
        for each in gc.get_objects()
        if type(each) is torch.Tensor
        and each.ndim == 2
        and each.shape[1] == tiny.WIDTH
        and len(each) in (149, 150)
    ]
    assert len(tickets) == 5 and not kept
