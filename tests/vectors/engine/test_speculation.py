"""Rows that try what followed where their newest tokens stood before get what they get without that."""

from dataclasses import replace

import pytest
import torch
from llvmlite import binding

from tests.vectors.engine.batches import busy, left_behind, run
from tests.vectors.tiny import EOS, byte_tokenizer, prompt, random_vector, tiny_model
from vectors.engine.constraint import Constraint
from vectors.engine.drafts import Drafts
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.steering.intervention import Condition, Intervention, Probe
from vectors.steering.positions import GENERATED, Both, Generated, TokenIs

NEW = 60
REFRAIN = prompt(1, 9) * 6
EIGHT = pytest.param(
    "int8",
    marks=pytest.mark.skipif(
        not all(binding.get_host_cpu_features().get(each) for each in ("avx512vnni", "avx512bf16")),
        reason="this processor has not both AVX512-VNNI and AVX512-BF16",
    ),
)
AGAIN = Sampling(NEW, logit_bias=tuple((token, 6.0) for token in REFRAIN[:9]))
"""Few tokens are likely, so that those before come again."""


def engine(family, drafts, dtype=torch.float32):
    eight = family == "int8"
    model = tiny_model("llama" if eight else family, dtype)
    return Engine(model, byte_tokenizer(), 4, 4096, eight_bits=eight, drafts=drafts)


def steered(layer, **how):
    return (Intervention(random_vector(layer), layer, 2.0, **how),)


def requests():
    """Of every kind that may be drafted for, and some that may not."""
    here = Condition(Probe(random_vector(9), 1), above=True, threshold=0.0)
    kinds = [
        AGAIN,
        replace(AGAIN, temperature=0.4, seed=3),
        replace(AGAIN, temperature=1.0, top_p=0.5, seed=4),
        replace(AGAIN, repetition_penalty=1.1),
        replace(AGAIN, temperature=0.5, frequency_penalty=0.1, presence_penalty=0.2, seed=5),
        replace(AGAIN, forced_ids=REFRAIN[:20], banned_id=REFRAIN[20]),
        Sampling(NEW, constraint=Constraint("regex", "(one two three four )+")),
        Sampling(NEW, temperature=0.7, constraint=Constraint("regex", "(one two t?hree )+"), seed=6),
        Sampling(NEW, constraint=Constraint("regex", "(round and round )+"), stop=("nd rou",)),
        replace(AGAIN, max_new_tokens=2),
        replace(AGAIN, logit_bias=(*AGAIN.logit_bias, (EOS, 5.0)), temperature=1.0, seed=8),
    ]
    asked = [
        GenerationRequest(REFRAIN, sampling=replace(each, logprobs=True, top_logprobs=2)) for each in kinds
    ]
    first = asked[0]
    return [
        *asked,
        replace(first, steering=steered(1, positions=GENERATED)),
        replace(first, steering=steered(2, positions=Generated(7, 31), operation="multiply")),
        replace(first, steering=steered(2, when=here)),
        replace(asked[1], steering=steered(3, positions=TokenIs(REFRAIN[2]), when=here)),
        replace(first, steering=steered(0), divergence=True),
        replace(first, steering=steered(0), probes=(here.probe,)),
        replace(first, alternatives={3: (1, 2), 50: (5,)}),
    ]


def told(generation):
    """All that must be the same to the last bit."""
    return generation.text, generation.token_ids, generation.finish_reason, generation.steered_tokens


def scored(generation):
    likeliest = [place for places in generation.top for place in places]
    return [*generation.logprobs, *(score for _, score in likeliest), *generation.divergences]


def in_turns(engine, asked):
    """What comes of requests, two at a time, and the pieces of text that each was told."""
    pieces = [[] for _ in asked]
    asked = [replace(each, on_token=its.append) for each, its in zip(asked, pieces, strict=True)]
    found = [each for start in range(0, len(asked), 2) for each in run(engine, *asked[start : start + 2])]
    return found, pieces


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "phi3", "gpt2", EIGHT])
def test_rows_that_draft_get_what_they_get_without(family):
    asked = requests()
    with engine(family, drafts=False) as plain:
        wanted, pieces_wanted = in_turns(plain, asked)
    with engine(family, drafts=True) as drafting:
        found, pieces = in_turns(drafting, asked)
    before, after = plain.stats().done, drafting.stats().done
    assert [told(each) for each in found] == [told(each) for each in wanted]
    assert pieces == pieces_wanted
    for ours, theirs in zip(found, wanted, strict=True):
        exact = family == "int8"
        assert scored(ours) == (scored(theirs) if exact else pytest.approx(scored(theirs), abs=1e-3))
        assert ours.readings == theirs.readings or not exact
    assert (before.drafted, before.accepted) == (0, 0)
    assert after.accepted > 40
    assert after.accepted < after.drafted, "some were wrong, or nothing of theirs could be left"
    assert after.new_tokens == before.new_tokens
    assert after.pieces < before.pieces - after.accepted / 2
    assert left_behind(drafting) == (0, 0, 0)


@pytest.mark.parametrize("family", ["llama", EIGHT])
def test_nothing_of_a_wrong_draft_is_shared_with_a_later_row(family):
    """The second prompt is the first one and its answer, which holds places that were drafted otherwise."""
    with engine(family, drafts=True) as drafting, engine(family, drafts=False) as plain:
        first = GenerationRequest(REFRAIN, steered(1), replace(AGAIN, temperature=0.6, seed=2))
        [begun] = run(drafting, first)
        assert 0 < drafting.stats().done.accepted < drafting.stats().done.drafted
        longer = replace(first, prompt_ids=REFRAIN + begun.token_ids, sampling=replace(AGAIN, logprobs=True))
        [found], [wanted] = run(drafting, longer), run(plain, longer)
    assert found.reused_tokens >= len(REFRAIN) + NEW - 2
    assert told(found) == told(wanted)
    assert found.logprobs == pytest.approx(wanted.logprobs, abs=1e-4 if family == "llama" else 0)


@pytest.mark.parametrize("family", ["llama", EIGHT])
def test_a_row_that_is_cancelled_inside_a_draft_ends_there(family):
    with engine(family, drafts=True) as drafting:
        [whole] = run(drafting, GenerationRequest(REFRAIN, sampling=AGAIN))
        assert drafting.stats().done.accepted > NEW / 2
        for stop in range(3, 20):
            tickets, heard = [], []

            def hear(text, stop=stop, tickets=tickets, heard=heard):
                heard.append(text)
                if len(heard) == stop:
                    tickets[0].cancel()

            with busy(drafting):
                tickets += drafting.submit_all([GenerationRequest(REFRAIN, sampling=AGAIN, on_token=hear)])
            found = tickets[0].result(60)
            assert (found.token_ids, found.finish_reason) == (whole.token_ids[:stop], "cancelled")


@pytest.mark.parametrize("family", ["llama", EIGHT])
def test_a_guess_that_overflows_harms_neither_its_row_nor_another(family):
    """After "abc" the row has to write "d"; "x" followed there before, which steering makes overflow."""
    burst = Intervention(random_vector(1), 1, 3e38, "multiply", Both((GENERATED, TokenIs(ord("x")))))
    forced = Sampling(30, constraint=Constraint("regex", "cd+"), logprobs=True)
    asked = [
        GenerationRequest(tuple(b"abcx" * 3 + b"ab"), (burst,), forced),
        GenerationRequest(prompt(3, 40), sampling=Sampling(40, logprobs=True)),
    ]
    with engine(family, drafts=False) as plain, engine(family, drafts=True) as drafting:
        found, wanted = run(drafting, *asked), run(plain, *asked)
        assert [told(each) for each in found] == [told(each) for each in wanted]
        assert drafting.stats().done.drafted > 0
        for each in drafting._cache.arena_keys, drafting._cache.arena_values:
            assert family == "int8" or each.isfinite().all()
    assert left_behind(drafting) == (0, 0, 0)


@pytest.mark.parametrize(
    ("family", "dtype", "rows"),
    [
        ("lfm2", torch.float32, 1),  # what its convolutions remember cannot be taken back
        ("llama", torch.bfloat16, 1),  # many tokens at once round otherwise than one
        ("llama", torch.float32, 5),  # the processor has enough to do
    ],
)
def test_nothing_is_drafted_where_it_would_change_tokens_or_gain_nothing(family, dtype, rows):
    model = tiny_model(family, dtype)
    asked = [GenerationRequest(REFRAIN, sampling=replace(AGAIN, seed=seed)) for seed in range(rows)]
    with Engine(model, byte_tokenizer()) as engine:
        assert all(each.new_tokens == NEW for each in run(engine, *asked))
        assert engine.stats().done.drafted == 0


def test_a_draft_is_what_followed_where_most_of_the_newest_tokens_stood():
    drafts = Drafts([1, 2, 3, 4, 5, 90, 91, 92, 93, 94, 95, 96, 8, 4, 5, 70, 71, 72, 73, 1, 2, 3, 4, 5])
    assert drafts.next(100) == [90, 91, 92, 93, 94, 95, 96]
    assert drafts.next(2) == [90, 91]


def test_of_places_that_are_equally_alike_the_latest_counts():
    assert Drafts([4, 5, 70, 71, 72, 6, 4, 5, 80, 81, 82, 7, 4, 5]).next(9) == [80, 81, 82]


def test_what_repeats_is_drafted_on_and_on():
    assert Drafts([9, *[1, 2, 3] * 5]).next(100) == [1, 2, 3] * 5


def test_tokens_that_have_not_stood_together_give_no_draft():
    known = [1, 2, 3, 4]
    drafts = Drafts(known)
    assert drafts.next(9) == []
    known += [1, 2]
    assert drafts.next(9) == [3, 4, 1]


def test_a_row_whose_drafts_are_wrong_drafts_seldom_until_one_is_right():
    known = [1, 2, 3, 4, 5]
    drafts, tries = Drafts(known), []
    for place in range(200):
        known += [1, 2]  # where 3 followed, and does not now
        if drafts.next(9):
            tries.append(place)
            drafts.learn(0)
    assert len(tries) < 40 and tries[-1] - tries[-2] == 8
    drafts.learn(9)
    assert drafts.next(9)


def test_a_draft_that_is_stopped_holds_nothing():
    drafts = Drafts([1, 2, 3, 1, 2])
    assert drafts.next(1) == [3]
    drafts.stop()
    assert drafts.next(1) == []
