"""Vectors of features: which are chosen, and how they are put together."""

import pytest
import torch

from vectors.lab.sae.targeted import Chosen, best, put_together, random_features, ranked

ROWS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])


def test_features_are_put_together_by_their_scores_as_a_sum_or_the_best_alone():
    chosen = Chosen((2, 0), (0.5, 0.25))
    assert put_together("weighted", chosen, ROWS).tolist() == [1.75, 2.0]
    assert put_together("uniform", chosen, ROWS).tolist() == [4.0, 4.0]
    assert put_together("single", chosen, ROWS).tolist() == [3.0, 4.0]


def test_dead_features_and_those_without_a_score_above_zero_are_not_chosen():
    usable = torch.tensor([True, True, False, True])
    assert best(torch.tensor([0.1, -1.0, 9.0, 0.3]), usable, 4).features == (3, 0)


def test_candidates_are_ranked_by_other_scores_and_keep_their_weights():
    assert ranked(Chosen((7, 3, 5), (0.9, 0.4, 0.2)), [0.1, 0.0, 0.8], 2) == Chosen((5, 7), (0.2, 0.9))


def test_random_features_are_alive_as_long_as_what_they_are_compared_with_and_the_same_for_a_seed():
    rows, usable = torch.randn(20, 8), torch.arange(20) % 2 == 0
    found = random_features(rows, usable, torch.full((8,), 2.0), 5, seed=3)
    again = random_features(rows, usable, torch.full((8,), 2.0), 5, seed=3)
    alive = torch.nn.functional.normalize(rows[usable], dim=1)
    for one, other in zip(found, again, strict=True):
        assert torch.equal(one, other)
        assert float(one.norm()) == pytest.approx(8**0.5 * 2, rel=1e-5)
        assert float((alive @ one).max() / one.norm()) == pytest.approx(1, rel=1e-5)
