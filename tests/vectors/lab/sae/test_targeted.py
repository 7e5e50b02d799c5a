"""Vectors of features: which are chosen, and how they are put together."""

import pytest
import torch

from tests.vectors import folders
from vectors.lab.sae.portraits import DomainReading, read_domains
from vectors.lab.sae.standard import Standard
from vectors.lab.sae.targeted import Chosen, best, by_difference, by_output, put_together, random_features

ROWS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])


def test_features_are_put_together_by_their_scores_as_a_sum_or_the_best_alone():
    chosen = Chosen((2, 0), (0.5, 0.25))
    assert put_together("weighted", chosen, ROWS).tolist() == [1.75, 2.0]
    assert put_together("uniform", chosen, ROWS).tolist() == [4.0, 4.0]
    assert put_together("single", chosen, ROWS).tolist() == [3.0, 4.0]


def test_dead_features_and_those_without_a_score_above_zero_are_not_chosen():
    usable = torch.tensor([True, True, False, True])
    assert best(torch.tensor([0.1, -1.0, 9.0, 0.3]), usable, 4).features == (3, 0)


def test_a_feature_that_the_domains_prompts_activate_more_has_the_largest_difference():
    weights = {"W_enc": torch.eye(2), "b_enc": torch.zeros(2), "W_dec": torch.eye(2), "b_dec": torch.zeros(2)}
    sae = Standard({"d_in": 2, "d_sae": 2}, weights)
    content = (torch.tensor([[4.0, 1.0], [2.0, 1.0]]), torch.tensor([[1.0, 1.0]]))
    assert by_difference(DomainReading("d", torch.zeros(2, 2), content), sae).tolist() == [2.0, 0.0]


def test_the_output_score_is_highest_for_what_the_domains_prompts_do_to_the_logits(tmp_path):
    lm = folders.language_model(tmp_path)
    prompts = folders.first("code_reading", 6)
    logits = []
    for texts in (prompts.positive, prompts.negative):
        ids = [lm.chat.encode_content(text)[0] for text in texts]
        with torch.no_grad():
            each = [lm.model(input_ids=torch.tensor([row])).logits[0, -1].log_softmax(-1) for row in ids]
        logits.append(torch.stack(each).mean(0))
    wanted = logits[0] - logits[1]
    unembedding, norm = lm.model.lm_head.weight.detach(), lm.model.model.norm.weight.detach()
    rows = torch.cat([torch.randn(5, 64), torch.linalg.lstsq(unembedding * norm, wanted[:, None]).solution.T])
    weights = {"W_enc": torch.zeros(64, 6), "b_enc": torch.zeros(6), "W_dec": rows, "b_dec": torch.zeros(64)}
    scores = by_output(lm, prompts, Standard({"d_in": 64, "d_sae": 6}, weights))
    effects = rows @ (unembedding * norm).T
    centred = effects - effects.mean(1, keepdim=True)
    expected = torch.cosine_similarity(centred, (wanted - wanted.mean())[None], dim=1)
    torch.testing.assert_close(scores, expected, rtol=1e-3, atol=1e-3)
    assert int(scores.argmax()) == 5


def test_random_features_are_alive_as_long_as_what_they_are_compared_with_and_the_same_for_a_seed():
    rows, usable = torch.randn(20, 8), torch.arange(20) % 2 == 0
    found = random_features(rows, usable, torch.full((8,), 2.0), 5, seed=3)
    again = random_features(rows, usable, torch.full((8,), 2.0), 5, seed=3)
    alive = torch.nn.functional.normalize(rows[usable], dim=1)
    for one, other in zip(found, again, strict=True):
        assert torch.equal(one, other)
        assert float(one.norm()) == pytest.approx(8**0.5 * 2, rel=1e-5)
        assert float((alive @ one).max() / one.norm()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("family", ["lfm2"])
def test_scores_are_found_whatever_the_blocks_are(tmp_path, family):
    lm = folders.language_model(tmp_path, family)
    prompts = folders.first("code_reading", 3)
    weights = {"W_enc": torch.randn(64, 6), "b_enc": torch.zeros(6), "W_dec": torch.randn(6, 64)}
    sae = Standard({"d_in": 64, "d_sae": 6}, weights | {"b_dec": torch.zeros(64)})
    (reading,) = read_domains(lm, [prompts], 2)
    assert by_difference(reading, sae).shape == by_output(lm, prompts, sae).shape == (6,)
