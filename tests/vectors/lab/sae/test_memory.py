"""What is in memory while a collection is made, and while it is learnt from, does not grow with it."""

import gc
import tracemalloc

import pytest
import torch

from tests.vectors import folders
from vectors.lab.sae.collecting import Plan, collect, place
from vectors.lab.sae.learner import Recipe
from vectors.lab.sae.training import Batches

TEXTS = [f"def f{i}(a, b):\n    return {i} * a + b\n\n" * 40 for i in range(60)]
CONTEXT, SHARDS = 64, 32


def held():
    """Bytes of the tensors that Python knows, and of what it has allocated itself."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
    storages = [each.untyped_storage() for each in tensors if each.layout is torch.strided]
    return (
        sum({each.data_ptr(): each.nbytes() for each in storages}.values())
        + tracemalloc.get_traced_memory()[0]
    )


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shards_of(monkeypatch):
    """Collections of so many shards of 1,024 tokens, each of 132 kB."""
    monkeypatch.setattr("vectors.lab.sae.collecting._SHARD_TOKENS", 1024)
    return lambda number: Plan("texts", layer=1, tokens=number * 1024, context=CONTEXT)


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_a_collection_of_many_shards_takes_no_more_memory_than_its_first_ones(
    lm, shards_of, traced, tmp_path
):
    plan, seen = shards_of(SHARDS), []
    made = collect(lm, TEXTS, plan, place(lm, plan, tmp_path), lambda *_: seen.append(held()))
    assert len(made.rows) == SHARDS == len(seen) - 1
    shard = made.shard(0).hidden.nbytes
    assert max(seen[4:]) - max(seen[:4]) < shard, "not even one shard more"
    assert sum(made.rows) * 64 * 2 > 20 * shard


def test_learning_from_many_shards_has_four_of_them_in_memory(lm, shards_of, traced, tmp_path):
    plan = shards_of(SHARDS)
    made = collect(lm, TEXTS, plan, place(lm, plan, tmp_path))
    before, most = held(), 0
    for hidden in Batches(made, Recipe("topk", 128, 4, batch_tokens=256)).following(0):
        most = max(most, held() - before)
        del hidden
    shard = made.shard(0).hidden.nbytes
    assert 3 * shard < most < 8 * shard
