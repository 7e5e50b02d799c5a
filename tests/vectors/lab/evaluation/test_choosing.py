"""Multiple choice: rotations cancel a preference for letters, and letters are what the engine scores."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors.engine.engine import Engine
from vectors.engine.requests import scoring
from vectors.lab.evaluation.choosing import Likelihoods, shifts, weigh
from vectors.lab.evaluation.conditions import Condition, conditions
from vectors.lab.evaluation.domains import (
    accuracies,
    misleading,
    overall,
    pooled,
    position,
)
from vectors.lab.evaluation.mmlu_pro import Question, choice_ids, letter_ids
from vectors.measuring.journal import Journal
from vectors.statistics.estimates import CLAIM_N

UNSTEERED = Condition("unsteered")
finite = st.floats(-20, 20)


@given(st.lists(finite, min_size=2, max_size=10), st.data())
def test_over_a_whole_cycle_a_preference_for_letters_does_not_change_the_choice(worth, data):
    """The log-likelihood of a letter is what the option is worth, and what the letter is."""
    n = len(worth)
    likes = data.draw(st.lists(finite, min_size=n, max_size=n))
    best = max(range(n), key=worth.__getitem__)
    worth[best] += 50  # so that a preference decides nothing by itself in the mean of probabilities
    shown = tuple(
        tuple(worth[(place + shift) % n] + likes[place] for place in range(n)) for shift in shifts(n, n)
    )
    assert Likelihoods(UNSTEERED, (shown,)).by_rotations() == [best]


def test_a_model_that_always_says_the_same_letter_is_right_by_chance_and_told_apart():
    always_a = Likelihoods(UNSTEERED, tuple(((0.0, -5.0, -5.0),) for _ in range(6)))
    right = [0, 1, 2, 0, 1, 2]
    assert always_a.by_letter() == [0] * 6
    found = position(UNSTEERED, always_a.by_letter(), right)
    assert (found.chosen["A"], found.right["B"]) == (1, pytest.approx(1 / 3, abs=1e-3))
    assert found.distance == pytest.approx(2 / 3, abs=1e-3)


@given(st.integers(1, 10), st.integers(1, 10))
def test_rotations_begin_with_the_order_as_it_is_and_are_all_different(options, rotations):
    found = shifts(options, min(options, rotations))
    assert found[0] == 0
    assert len(set(found)) == len(found) == min(options, rotations)


@pytest.mark.real_model
def test_the_letters_of_one_pass_are_what_scoring_each_alone_gives(smollm2):
    asked = [Question("law", "Which one?", ("this", "that", "the other"), 1)] * 2
    with Engine(smollm2.model, smollm2.tokenizer) as engine:
        (found,) = weigh(engine, smollm2, asked, [(UNSTEERED, ())], rotations=2, journal=Journal())
        for shift, row in zip(shifts(3, 2), found.nats[0], strict=True):
            for letter, ids in enumerate(letter_ids(smollm2)[:2]):
                each = [
                    engine.submit(scoring(choice_ids(smollm2, asked[0].rotated(shift)), [token])).result()
                    for token in ids
                ]
                alone = math.log(sum(math.exp(one.logprobs[0]) for one in each))
                assert row[letter] == pytest.approx(alone, abs=1e-3)
    assert [len(rows) for rows in found.nats] == [2, 2]


@given(st.lists(st.booleans(), min_size=4, max_size=40), st.data())
def test_all_domains_are_the_mean_of_the_domains(right, data):
    domains = data.draw(st.lists(st.sampled_from("ab"), min_size=len(right), max_size=len(right)))
    every, *each = accuracies("letter", UNSTEERED, right, domains)
    assert every.right.value == pytest.approx(sum(one.right.value for one in each) / len(each))
    assert sum(one.right.n for one in each) == every.right.n == len(right)
    (same,) = overall("letter", [(UNSTEERED, right)], right, domains)
    assert (same.difference.value, same.p_holm) == (0, 1)
    turned = [not flag for flag in right]
    assert pooled([right, turned], right, domains).value == pytest.approx(
        pooled([turned], right, domains).value / 2
    )


def test_samples_mislead_where_their_sign_is_not_that_of_the_rest():
    n = CLAIM_N
    domains = ["a"] * n + ["b"] * n
    unsteered = [True] * (2 * n)
    worse = [False] * (2 * n)
    found = misleading([worse], unsteered, domains, n)
    assert (found.value, found.n) == (0, 2 * n / 20)
    mixed = [place >= 20 for place in range(n)] * 2
    gains = [not flag for flag in mixed]
    assert misleading([gains], mixed, domains, n).value == pytest.approx(1 / 10)
    assert misleading([worse], unsteered, domains, n + 1) is None


def test_conditions_are_unsteered_and_then_each_layer_and_strength(tiny_vector):
    found = conditions([tiny_vector], [1, 2], [0.1, 0.2])
    assert found[0][1] == ()
    assert [(each.layer, each.share) for each, _ in found[1:]] == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]
    assert len({each.text for each, _ in found}) == 5
