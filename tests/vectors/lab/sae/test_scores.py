"""Scores of features, against the same worked out another way: with hooks, and by the model's logits."""

import pytest
import torch

from tests.vectors import folders
from vectors.engine.engine import Engine
from vectors.lab.sae.contexts import Context
from vectors.lab.sae.portraits import DomainReading, read_domains
from vectors.lab.sae.scores import NEUTRAL, by_difference, by_output, input_score, output_scores, own_tokens
from vectors.lab.sae.standard import Standard
from vectors.lab.sae.topk import TopK

LAYER = 2


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


@pytest.mark.parametrize("family", ["lfm2"])
def test_scores_are_found_whatever_the_blocks_are(tmp_path, family):
    lm = folders.language_model(tmp_path, family)
    prompts = folders.first("code_reading", 3)
    weights = {"W_enc": torch.randn(64, 6), "b_enc": torch.zeros(6), "W_dec": torch.randn(6, 64)}
    sae = Standard({"d_in": 64, "d_sae": 6}, weights | {"b_dec": torch.zeros(64)})
    (reading,) = read_domains(lm, [prompts], LAYER)
    assert by_difference(reading, sae).shape == by_output(lm, prompts, sae).shape == (6,)


def with_weights(kind, d_sae=12, **config):
    """An autoencoder of the tiny models' width, whose rows are not of one length."""
    draw = torch.Generator().manual_seed(3)
    weights = {
        "W_enc": torch.randn(64, d_sae, generator=draw) / 8,
        "b_enc": torch.randn(d_sae, generator=draw) / 8,
        "W_dec": torch.randn(d_sae, 64, generator=draw) * torch.linspace(0.5, 2, d_sae)[:, None],
        "b_dec": torch.randn(64, generator=draw) / 8,
    }
    return kind({"d_in": 64, "d_sae": d_sae, **config}, weights)


@pytest.mark.parametrize("family", ["llama", "lfm2"])
@pytest.mark.parametrize("kind", [Standard, TopK])
def test_output_scores_are_those_of_the_published_hook_feature_by_feature(tmp_path, family, kind):
    lm = folders.language_model(tmp_path, family)
    sae = with_weights(kind, **({"k": 3, "rescale_acts_by_decoder_norm": True} if kind is TopK else {}))
    own = own_tokens(lm, sae.w_dec)
    ids = torch.tensor([lm.encode(NEUTRAL, begins=True)])
    expected = []
    for feature in range(len(sae.w_dec)):

        def amplified(_module, _inputs, output, feature=feature):
            hidden = output[0] if isinstance(output, tuple) else output
            features = sae.encode(hidden)
            left = hidden - sae.decode(features)
            features[:, -1, feature] += 10 * features[:, -1].max()
            changed = sae.decode(features) + left
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        hook = lm.model.model.layers[LAYER].register_forward_hook(amplified)
        with torch.no_grad():
            probabilities = lm.model(input_ids=ids).logits[0, -1].softmax(-1)
        hook.remove()
        order = probabilities.argsort(descending=True).tolist()
        rank = min(order.index(token) for token in own[feature].tolist())
        expected.append((1 - rank / len(order)) * float(probabilities[own[feature]].max()))
    with Engine(lm.model, lm.tokenizer) as engine:
        found = output_scores(engine, lm, sae, LAYER, range(len(sae.w_dec)))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert max(found) > 3 * min(found)


def test_a_feature_that_moves_nothing_has_the_score_of_the_model_as_it_is(tmp_path):
    lm = folders.language_model(tmp_path)
    weights = {"W_enc": torch.randn(64, 3), "b_enc": torch.full((3,), -1e6), "W_dec": torch.randn(3, 64)}
    silent = Standard({"d_in": 64, "d_sae": 3}, weights | {"b_dec": torch.zeros(64)})
    ids = torch.tensor([lm.encode(NEUTRAL, begins=True)])
    with torch.no_grad():
        probabilities = lm.model(input_ids=ids).logits[0, -1].softmax(-1)
    with Engine(lm.model, lm.tokenizer) as engine:
        (found, *_) = output_scores(engine, lm, silent, LAYER, range(3))
    best = probabilities[own_tokens(lm, silent.w_dec)[0]].max()
    rank = int((probabilities > best).sum())
    assert found == pytest.approx((1 - rank / len(probabilities)) * float(best), rel=1e-3)


def test_a_features_own_tokens_are_read_through_the_norm_and_the_unembedding(tmp_path):
    lm = folders.language_model(tmp_path)
    with torch.no_grad():
        lm.model.model.norm.weight.mul_(torch.linspace(0.1, 3, 64))
    rows = torch.randn(3, 64)
    logits = rows * lm.model.model.norm.weight.detach() @ lm.model.lm_head.weight.detach().T
    known = logits[:, : len(lm.tokenizer)]
    assert torch.equal(own_tokens(lm, rows), known.topk(20, dim=1).indices)


def test_the_input_score_counts_contexts_whose_strongest_token_is_the_features_own():
    contexts = [Context((1, 2, token), (0.0, 0.1, 3.0), 2, (0, 0)) for token in range(10)]
    score = input_score(contexts, own=(2, 3, 4, 77))
    assert (score.value, score.n) == (0.3, 10)
    assert input_score(contexts[:9], own=(2,)) is None
