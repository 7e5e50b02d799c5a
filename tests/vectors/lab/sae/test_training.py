"""Autoencoders in training: gradients beside automatic ones, what is learnt, and kills at any moment."""

import pytest
import torch

from tests.vectors import folders, tiny
from vectors.errors import UnfitAnalysis
from vectors.lab.sae import training
from vectors.lab.sae.codes import Dense, Sparse
from vectors.lab.sae.collecting import Plan, collect, place
from vectors.lab.sae.folders import WEIGHTS, config_of, read
from vectors.lab.sae.learner import Learner, Recipe, scaling
from vectors.lab.sae.training import LEARNERS, train

D_MODEL, D_SAE, K = 16, 48, 4
SPARSITY = {"topk": K, "batchtopk": K, "jumprelu": K, "standard": 0.2}
TEXTS = [f"def f{i}(a, b):\n    return {i} * a + b\n\n" * 6 for i in range(60)]


def residuals(n, seed=0):
    """Sums of few of 32 directions, so that there is something to be found."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(32, D_MODEL, generator=torch.Generator().manual_seed(1))
    amounts = torch.rand(n, 32, generator=generator) * (torch.rand(n, 32, generator=generator) < 0.1)
    return amounts @ directions + 3


def learner(architecture, steps=300, **recipe):
    recipe = Recipe(architecture, D_SAE, SPARSITY[architecture], **recipe)
    return LEARNERS[architecture](recipe, *scaling(residuals(500)), steps, torch.float32)


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def collection(lm, tmp_path_factory):
    plan = Plan("texts", layer=1, tokens=2048, context=32)
    return collect(lm, TEXTS, plan, place(lm, plan, tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_products_with_a_code_are_those_with_its_matrix(kind):
    matrix = torch.randn(7, D_SAE).relu() * (torch.rand(7, D_SAE) < 0.2)
    matrix[3] = 0
    code = Sparse.where(matrix > 0, matrix) if kind == "sparse" else Dense(matrix, torch.float32)
    rows, of = torch.randn(D_SAE, D_MODEL), torch.randn(7, D_MODEL)
    torch.testing.assert_close(code.decode(rows), matrix @ rows)
    torch.testing.assert_close(code.gathered(of), matrix.T @ of)
    torch.testing.assert_close(code.totals(), matrix.sum(0))
    assert code.active().tolist() == (matrix > 0).sum(0).tolist()
    along = of @ rows.T
    torch.testing.assert_close(code.along(of, rows), along[matrix > 0] if kind == "sparse" else along)


@pytest.mark.parametrize("architecture", LEARNERS)
@pytest.mark.parametrize("revived", [False, True])
def test_gradients_by_hand_are_those_of_automatic_differentiation(architecture, revived):
    made = learner(architecture)
    for number in range(20):
        made.step(residuals(64, number))
    if revived:
        made._silent[::3] = 1 << 30
    wanted = residuals(64, 99) * made.scale
    with torch.no_grad():
        found, _, code = made.gradients(wanted)
    mask = torch.zeros(64, D_SAE, dtype=torch.bool)
    if isinstance(code, Sparse):
        mask[code._tokens, code.features] = code.values > 0
    else:
        mask = code.values > 0
    w = {name: weight.clone().requires_grad_() for name, weight in made.weights.items()}
    before = (wanted - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    features = before * mask
    error = features @ w["W_dec"] + w["b_dec"] - wanted
    loss = error.square().sum() / 64
    if architecture == "standard":
        loss = loss + SPARSITY["standard"] * features.sum() / 64
    if revived and made.revives:
        dead = torch.arange(D_SAE) % 3 == 0
        largest = before.detach().masked_fill(~dead, -torch.inf).topk(K, dim=1)
        chosen = torch.zeros_like(mask).scatter(1, largest.indices, largest.values > 0)
        # What is missing is what these are to give: they alone learn from it.
        inputs = (wanted - w["b_dec"].detach()) @ w["W_enc"].T + w["b_enc"]
        missed = (inputs * chosen) @ w["W_dec"] + error.detach()
        loss = loss + missed.square().sum() / 64 / 32
    loss.backward()
    for name in ("W_enc", "W_dec", "b_enc", "b_dec"):
        torch.testing.assert_close(found[name], w[name].grad, rtol=1e-4, atol=1e-5)


def test_thresholds_rise_where_tokens_have_too_many_features_and_fall_where_too_few():
    made = learner("jumprelu")
    made.step(residuals(256))
    thresholds = made.weights["threshold"]
    for change, sign in ((-0.4, -1), (0.4, 1)):
        kept = thresholds.clone()
        thresholds += change
        with torch.no_grad():
            found, _, code = made.gradients(residuals(256, 5) * made.scale)
        assert ((code.values > 0).sum() / 256 > K) == (sign < 0)
        assert sign * float(found["threshold"].sum()) > 0  # the optimizer goes against a gradient
        thresholds.copy_(kept)


@pytest.mark.parametrize("architecture", LEARNERS)
def test_it_learns_what_residuals_are_made_of_with_as_few_features_as_were_asked_for(architecture):
    made = learner(architecture, learning_rate=5e-3)
    first = made.step(residuals(256, 1))
    for number in range(2, 300):
        last = made.step(residuals(256, number))
    assert last.loss < first.loss / 2
    assert last.explained > 0.75
    if architecture != "standard":
        assert K * 0.7 < last.l0 < K * 1.3


@pytest.mark.parametrize("architecture", LEARNERS)
def test_what_is_saved_gives_the_same_reconstruction_of_residuals_as_they_are(architecture):
    from vectors.lab.sae.architectures import make

    made = learner(architecture)
    for number in range(30):
        made.step(residuals(256, number))
    config, tensors = made.saved()
    sae = make({**config, "d_in": D_MODEL, "d_sae": D_SAE}, tensors)
    hidden = residuals(256, 99)
    _, error, code = made.gradients(hidden * made.scale)
    features = sae.encode(hidden)
    if architecture != "batchtopk":  # which asks a whole batch in training, and a threshold afterwards
        torch.testing.assert_close(sae.decode(features), hidden + error / made.scale, rtol=1e-4, atol=1e-4)
        assert int((features > 0).sum()) == int((code.values > 0).sum())
    else:
        assert K * 0.5 < float((features > 0).sum()) / 256 < K * 1.5


def test_silent_features_learn_again_from_what_the_others_leave_unexplained():
    made = learner("topk", learning_rate=5e-3)
    half = made.weights["W_enc"][: D_SAE // 2]
    with torch.no_grad():
        made.weights["b_enc"][: D_SAE // 2] = -1.0
        half *= 1e-3  # so small that no token has one of them among its largest
    made.step(residuals(256, 1))
    silent = half.clone()
    made.step(residuals(256, 2))
    assert torch.equal(half, silent)
    made.weights["b_enc"][: D_SAE // 2] = 0.01
    made._silent[: D_SAE // 2] = 1 << 30
    made.step(residuals(256, 3))
    assert not torch.equal(half, silent)


def test_a_collection_holds_the_residuals_of_its_tokens_but_those_that_attention_rests_on(lm, collection):
    from vectors.domains.activations import Passage
    from vectors.domains.activations import residuals as alone

    assert sum(collection.rows) + collection.left_out == 2048
    shard = collection.shard(0)
    context, place_ = divmod(int(shard.places[5]), 32)
    passage = Passage(shard.tokens[context].tolist(), [place_])
    [(_, wanted)] = alone(lm.model, [passage], layers=[1])
    torch.testing.assert_close(shard.hidden[5].float(), wanted[0, 0], rtol=2e-2, atol=2e-2)
    assert 0 not in (shard.places % 32).tolist()


@pytest.mark.parametrize("family", ["llama", "qwen3", "lfm2", "gemma3"])
def test_contexts_are_read_as_each_alone_whatever_the_blocks_are(tmp_path, family):
    from vectors.domains.activations import Passage
    from vectors.domains.activations import residuals as alone
    from vectors.lab.sae.collecting import _reader

    lm = folders.language_model(tmp_path, family)
    tokens = torch.tensor([tiny.prompt(seed, 20) for seed in range(3)])
    passages = [Passage(row.tolist(), range(20)) for row in tokens]
    wanted = dict(alone(lm.model, passages, layers=[2]))
    with torch.inference_mode():
        found = _reader(lm, 2)(tokens)
    for number, row in enumerate(found):
        torch.testing.assert_close(row, wanted[number][:, 0], rtol=1e-3, atol=1e-4)


def test_a_collection_that_was_killed_goes_on_to_the_same_bytes(lm, collection, tmp_path, monkeypatch):
    from vectors.lab.sae import collecting

    made, calls = collecting._made, []

    def dying(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return made(*args)

    monkeypatch.setattr(collecting, "_made", dying)
    with pytest.raises(KeyboardInterrupt):
        collect(lm, TEXTS, collection.plan, tmp_path)
    again = collect(lm, TEXTS, collection.plan, tmp_path)
    assert len(calls) == collection.plan.shards + 1  # the one that it died in is made again
    for file in sorted(collection.folder.iterdir()):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert again.rows == collection.rows


def test_a_corpus_that_is_too_small_is_told_before_anything_is_run(lm, tmp_path):
    with pytest.raises(UnfitAnalysis, match=r"holds 32 tokens .* 2,048 are needed"):
        collect(lm, ["short " * 8], Plan("", 1, 2048, 32), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("architecture", LEARNERS)
def test_training_that_was_killed_goes_on_to_the_same_bytes(
    lm, collection, tmp_path, monkeypatch, architecture
):
    monkeypatch.setattr(training, "_CHECKPOINT_S", 0.0)
    recipe = Recipe(architecture, 128, SPARSITY[architecture], batch_tokens=100, epochs=2)
    whole = train(lm, collection, recipe, tmp_path / "whole")
    step, steps = Learner.step, []

    def dying(self, hidden):
        steps.append(self.step_number)
        if len(steps) == whole.steps // 2:
            raise KeyboardInterrupt
        return step(self, hidden)

    monkeypatch.setattr(Learner, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(lm, collection, recipe, tmp_path / "killed")
    assert train(lm, collection, recipe, tmp_path / "killed") == whole
    assert steps[len(steps) // 2 - 1 :][:2] != [0, 0]
    assert len(steps) == whole.steps + 1
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "killed" / file.name).read_bytes() == file.read_bytes()
    assert not (tmp_path / "killed" / "checkpoint.safetensors").exists()


def test_a_folder_says_what_it_was_made_from_and_can_be_read(lm, collection, tmp_path):
    trained = train(lm, collection, Recipe("batchtopk", 128, K, batch_tokens=100), tmp_path)
    said = config_of(tmp_path)
    assert (said["architecture"], said["d_in"], said["d_sae"]) == ("jumprelu", 64, 128)
    metadata = said["metadata"]
    assert metadata["hook_name"] == "blocks.1.hook_resid_post"
    assert metadata["training_architecture"] == "batchtopk"
    assert metadata["model_digest"] == lm.digest
    assert metadata["l0"] == trained.quality.l0.value
    assert read(tmp_path).encode(torch.randn(3, 64)).shape == (3, 128)
    assert (tmp_path / WEIGHTS).is_file()
    assert trained.tokens == sum(collection.training_rows)


def test_every_residual_is_learnt_from_once_an_epoch(collection):
    recipe = Recipe("topk", 128, K, batch_tokens=100, epochs=2)
    batches = training.Batches(collection, recipe)
    seen = torch.cat(list(batches.following(0)))
    assert len(seen) == 2 * sum(collection.training_rows) == batches.tokens
    there = torch.cat([collection.shard(i).hidden for i in range(len(collection.training_rows))])
    assert torch.equal(seen.float().sum(1).sort().values, there.repeat(2, 1).float().sum(1).sort().values)
    assert all(map(torch.equal, batches.following(7), list(batches.following(0))[7:]))
