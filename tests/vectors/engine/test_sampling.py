import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import RepetitionPenaltyLogitsProcessor

from vectors.engine.sampling import Sampler, Sampling, choose
from vectors.errors import InvalidRequest


def logits_for(rows, vocab=50, seed=0):
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


def samplers(*rows, prompt=()):
    return [Sampler(row, prompt) for row in rows]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_new_tokens": 0}, "at least 1"),
        ({"temperature": -0.1}, "0 .greedy. or more"),
        ({"temperature": math.nan}, "0 .greedy. or more"),
        ({"temperature": math.inf}, "0 .greedy. or more"),
        ({"top_p": 0.0}, "more than 0"),
        ({"top_p": 1.1}, "at most 1"),
        ({"top_p": math.nan}, "more than 0"),
        ({"top_k": -1}, "0 .all tokens. or more"),
        ({"min_p": -0.1}, "0 .all tokens. to 1"),
        ({"min_p": math.nan}, "0 .all tokens. to 1"),
        ({"repetition_penalty": 0.0}, "more than 0"),
        ({"repetition_penalty": -1.0}, "more than 0"),
        ({"repetition_penalty": math.nan}, "more than 0"),
        ({"repetition_penalty": math.inf}, "more than 0"),
        ({"seed": -1}, "expected 0"),
        ({"seed": 2**63}, "expected 0"),
        ({"stop": ("a", "")}, "not empty"),
        ({"stop": "text"}, "tuple"),
        ({"frequency_penalty": 2.1}, "-2 to 2"),
        ({"presence_penalty": math.nan}, "-2 to 2"),
        ({"logit_bias": ((3, -101.0),)}, "-100 to 100"),
        ({"logit_bias": ((3, math.nan),)}, "-100 to 100"),
        ({"top_logprobs": 3}, "with logprobs"),
        ({"top_logprobs": -1, "logprobs": True}, "0 or more"),
        ({"max_new_tokens": 1, "forced_ids": (1, 2)}, "more than max_new_tokens"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_was_expected(settings, message):
    with pytest.raises(InvalidRequest, match=message):
        Sampling(**settings)


def test_equal_settings_are_one_key():
    biased = Sampling(logit_bias=((3, 1.0),), stop=("a",))
    assert {biased: 1}[Sampling(logit_bias=((3, 1.0),), stop=("a",))] == 1


def test_greedy_takes_the_most_likely_token_beside_rows_that_sample():
    logits = logits_for(3)
    tokens = choose(samplers(Sampling(), Sampling(temperature=2.0), Sampling()), logits)
    best = logits.argmax(dim=-1).tolist()
    assert (tokens[0], tokens[2]) == (best[0], best[2])


@given(
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6),
    temperature=st.floats(0.1, 3.0),
    top_p=st.floats(0.05, 1.0),
    steps=st.integers(1, 5),
)
def test_what_a_row_samples_depends_on_its_seed_and_logits_and_not_on_its_neighbours(
    seeds, temperature, top_p, steps
):
    rows = [Sampling(temperature=temperature, top_p=top_p, seed=seed) for seed in seeds]
    together = samplers(Sampling(temperature=0.7, seed=1), *rows, Sampling())
    alone = samplers(*rows)
    for step in range(steps):
        logits = logits_for(len(rows) + 2, seed=step)
        chosen = choose(together, logits)
        assert chosen[1:-1] == [choose([one], logits[i + 1 : i + 2])[0] for i, one in enumerate(alone)]


def test_rounding_does_not_change_what_is_sampled():
    logits = logits_for(200, vocab=20_000) / 6  # so many alike that rounding lets thousands change places
    rounded = logits + 1e-5 * logits_for(200, vocab=20_000, seed=1)
    rows = [Sampling(10, temperature=1.3, top_p=0.9, seed=seed) for seed in range(200)]
    assert choose(samplers(*rows), logits) == choose(samplers(*rows), rounded)


def test_a_row_draws_anew_for_each_token_and_only_when_it_samples():
    row = Sampling(temperature=1.0, seed=3)
    (one,), (other,) = samplers(row), samplers(row)
    logits = logits_for(1, vocab=5000)
    drawn = [choose([one], logits)[0] for _ in range(5)]
    assert len(set(drawn)) > 1
    assert [choose([other], logits)[0] for _ in range(5)] == drawn


def test_sampled_frequencies_follow_the_softmax_at_the_temperature():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = 4000
    rows = samplers(*(Sampling(temperature=1.5, seed=seed) for seed in range(draws)))
    tokens = torch.tensor(choose(rows, logits.repeat(draws, 1)))
    frequencies = torch.bincount(tokens, minlength=4) / draws
    expected = torch.softmax(logits[0] / 1.5, dim=0)
    # Five standard errors: 1 in 10^6 to fail by chance, and the seeds are fixed.
    assert (frequencies - expected).abs().max() < 5 * 0.5 / math.sqrt(draws)


@given(top_p=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
def test_only_tokens_of_the_nucleus_are_sampled(top_p, seed):
    logits = logits_for(1, vocab=20, seed=seed)
    probabilities, order = torch.softmax(logits[0].double(), dim=0).sort(descending=True)
    before = probabilities.cumsum(0) - probabilities
    nucleus = set(order[before < top_p + 1e-6].tolist())
    rows = [Sampling(temperature=1.0, top_p=top_p, seed=draw) for draw in range(50)]
    assert set(choose(samplers(*rows), logits.repeat(50, 1))) <= nucleus


@given(top_k=st.integers(1, 25), seed=st.integers(0, 1000))
def test_only_the_most_likely_tokens_are_sampled_with_top_k_and_each_of_them_is(top_k, seed):
    logits = logits_for(1, vocab=20, seed=seed) / 3
    best = set(logits[0].topk(min(top_k, 20)).indices.tolist())
    rows = [Sampling(temperature=2.0, top_k=top_k, seed=draw) for draw in range(300)]
    found = set(choose(samplers(*rows), logits.repeat(300, 1)))
    assert found <= best
    assert len(found) > len(best) // 2


@given(min_p=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
def test_with_min_p_only_tokens_of_that_share_of_the_likeliests_probability_are_sampled(min_p, seed):
    logits = logits_for(1, vocab=20, seed=seed) / 3
    probabilities = torch.softmax(logits[0].double() / 2.0, dim=0)
    likely = set((probabilities >= min_p * probabilities.max() - 1e-7).nonzero().flatten().tolist())
    rows = [Sampling(temperature=2.0, min_p=min_p, seed=draw) for draw in range(300)]
    found = set(choose(samplers(*rows), logits.repeat(300, 1)))
    assert found <= likely
    assert len(found) > len(likely) // 3


def test_a_top_k_of_one_is_greedy_and_one_of_the_vocabulary_changes_nothing():
    logits = logits_for(40)
    ones = [Sampling(temperature=2.0, top_k=1, seed=seed) for seed in range(40)]
    assert choose(samplers(*ones), logits) == logits.argmax(dim=-1).tolist()
    for top_k in (50, 1000):
        every = [Sampling(temperature=2.0, top_k=top_k, seed=seed) for seed in range(40)]
        free = [Sampling(temperature=2.0, seed=seed) for seed in range(40)]
        assert choose(samplers(*every), logits) == choose(samplers(*free), logits)


def test_top_p_is_taken_of_what_top_k_leaves():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    rows = [Sampling(temperature=1.0, top_k=2, top_p=0.6, seed=seed) for seed in range(200)]
    assert set(choose(samplers(*rows), logits.repeat(200, 1))) == {0}  # 0.5 of 0.8 reaches 0.6


# --- what changes the logits


@given(
    seen=st.sets(st.integers(0, 49), min_size=1, max_size=30),
    penalty=st.floats(0.2, 5.0).filter(lambda penalty: penalty != 1),
    split=st.integers(0, 30),
)
def test_the_penalty_is_that_of_transformers_on_tokens_of_the_prompt_and_of_the_answer(seen, penalty, split):
    tokens = sorted(seen)
    row = Sampler(Sampling(repetition_penalty=penalty), tokens[:split])
    for token in tokens[split:]:
        row.accept(token)
    logits = logits_for(1)
    wanted = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([tokens]), logits.clone())
    torch.testing.assert_close(row.adjusted(logits[0]), wanted[0])


@given(
    new=st.lists(st.integers(0, 9), max_size=20),
    frequency=st.floats(-2, 2),
    presence=st.floats(-2, 2),
    bias=st.dictionaries(st.integers(0, 9), st.floats(-100, 100), max_size=5),
)
def test_penalties_count_what_was_generated_and_not_the_prompt_and_the_bias_is_added(
    new, frequency, presence, bias
):
    settings = Sampling(
        frequency_penalty=frequency, presence_penalty=presence, logit_bias=tuple(bias.items())
    )
    row = Sampler(settings, range(10))
    for token in new:
        row.accept(token)
    logits = logits_for(1, 10)[0]
    wanted = [
        float(logit) - new.count(token) * frequency - (token in new) * presence + bias.get(token, 0)
        for token, logit in enumerate(logits)
    ]
    torch.testing.assert_close(row.adjusted(logits), torch.tensor(wanted), atol=1e-4, rtol=1e-5)
    if any(wanted[token] != float(logits[token]) for token in range(10)):
        assert row.adjusts


def test_a_penalty_of_one_and_a_row_without_settings_leave_the_logits_alone():
    row = Sampler(Sampling(repetition_penalty=1.0), [1, 2, 3])
    row.accept(4)
    assert not row.adjusts
    logits = logits_for(1)
    assert torch.equal(row.adjusted(logits[0]), logits[0])


def test_the_penalty_of_one_row_never_reaches_its_neighbours_or_the_callers_logits():
    logits = logits_for(3)
    kept = logits.clone()
    best = logits.argmax(dim=-1).tolist()
    rows = [
        Sampler(Sampling(), best),
        Sampler(Sampling(repetition_penalty=50.0), best),
        Sampler(Sampling(), best),
    ]
    found = choose(rows, logits)
    assert (found[0], found[2]) == (best[0], best[2]) and found[1] != best[1]
    assert torch.equal(logits, kept)


def test_avoiding_counts_from_the_end_of_what_is_followed_and_lasts_for_one_token():
    logits = logits_for(1)
    best = int(logits.argmax())
    row = Sampler(Sampling(forced_ids=(7, 8), banned_id=best), ())
    assert not row.adjusts
    row.accept(7)
    row.accept(8)
    assert choose([row], logits)[0] == int(logits[0].topk(2).indices[1])
    row.accept(9)
    assert choose([row], logits)[0] == best


@pytest.mark.parametrize("temperature", [1e-45, 1e-9, 1e-3])
def test_a_temperature_near_zero_is_greedy(temperature):
    logits = logits_for(1)
    assert choose(samplers(Sampling(temperature=temperature)), logits) == [int(logits.argmax())]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_whose_logits_are_not_finite_gets_no_token_and_its_neighbour_does(temperature, value):
    logits = logits_for(2)
    want = choose(samplers(Sampling(temperature=temperature)), logits[1:])
    logits[0, 3] = value
    assert choose(samplers(*[Sampling(temperature=temperature)] * 2), logits) == [None, *want]


def test_a_row_of_which_no_token_is_left_gets_none():
    row = Sampler(Sampling(temperature=1.0, banned_id=0), ())
    assert choose([row], torch.tensor([[1.0, -math.inf]])) == [None]


def test_a_row_that_lets_every_token_through_draws_what_it_would_draw_of_them_sorted():
    logits = logits_for(40, vocab=500)
    whole, ordered = (
        choose([Sampler(Sampling(8, 0.9, seed=row, top_k=k), ()) for row in range(40)], logits)
        for k in (0, 500)
    )
    assert whole == ordered
    assert len(set(whole)) > 20
    beside = [Sampler(Sampling(8, 0.9, seed=row, top_k=500 * (row % 2)), ()) for row in range(40)]
    assert choose(beside, logits) == whole
