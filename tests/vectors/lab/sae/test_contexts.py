"""Where features are most active, against all activations of a collection at once."""

import pytest
import torch

from tests.vectors import folders
from vectors.lab.sae.collecting import Plan, collect, kept, place
from vectors.lab.sae.contexts import WINDOW, strongest_contexts
from vectors.lab.sae.topk import TopK

TEXTS = [f"def f{i}(a, b):\n    return {i} * a + b\n\n" * 6 for i in range(60)]
CONTEXT, COUNT = 64, 7


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    lm = folders.language_model(tmp_path_factory.mktemp("model"))
    plan = Plan("texts", layer=1, tokens=4096, context=CONTEXT)
    return collect(lm, TEXTS, plan, place(lm, plan, tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def sae(collection):
    rows = torch.nn.functional.normalize(torch.randn(40, 64, generator=torch.Generator().manual_seed(1)))
    weights = {"W_enc": rows.T, "b_enc": torch.zeros(40), "W_dec": rows, "b_dec": torch.zeros(64)}
    return TopK({"d_in": 64, "d_sae": 40, "k": 4}, weights)


def test_the_contexts_are_those_with_the_largest_activations_the_largest_first(collection, sae):
    features = [3, 17, 30]
    shards = 4
    found = strongest_contexts(sae, collection, features, COUNT, shards)
    for column, feature in enumerate(features):
        every = []
        for number in range(shards):
            shard = collection.shard(number)
            dense = torch.zeros(shard.tokens.numel())
            dense[shard.places.long()] = sae.encode(shard.hidden)[:, feature]
            for context, activations in enumerate(dense.view(-1, CONTEXT)):
                every.append((float(activations.max()), number, context, activations))
        best = sorted((each for each in every if each[0] > 0), key=lambda each: -each[0])[:COUNT]
        assert [each.source for each in found[column]] == [each[1:3] for each in best]
        for context, (value, number, place_, activations) in zip(found[column], best, strict=True):
            at = int(activations.argmax())
            first = max(0, at - WINDOW)
            tokens = collection.shard(number).tokens[place_].tolist()
            assert list(context.tokens) == tokens[first : at + WINDOW + 1]
            assert context.activations == pytest.approx(activations[first : at + WINDOW + 1].tolist())
            assert context.activations[context.strongest] == max(context.activations) == pytest.approx(value)


def test_a_silent_feature_has_no_contexts(collection, sae):
    weights = {"W_enc": sae.w_enc, "b_enc": sae.b_enc - 1e6, "W_dec": sae.w_dec, "b_dec": sae.b_dec}
    silent = TopK({"d_in": 64, "d_sae": 40, "k": 4}, weights)
    assert strongest_contexts(silent, collection, [0, 1], COUNT, 99) == [[], []]


def test_a_collection_is_found_again_once_it_is_whole(collection, tmp_path):
    assert kept(collection.plan, collection.folder) == collection
    assert kept(collection.plan, tmp_path) is None
