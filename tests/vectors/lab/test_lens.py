import pytest
import torch

from tests.vectors import folders, tiny
from vectors.domains.domain_vector import DomainVector
from vectors.domains.library import VectorLibrary
from vectors.lab.steering.lens import cosine_matrix, cosines, logit_lens
from vectors.models.blocks import final_norm, unembedding
from vectors.models.loading import load_model


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def lm(request, tmp_path_factory):
    lm = folders.language_model(tmp_path_factory.mktemp(request.param), request.param)
    with torch.no_grad():  # a fresh model's norm weights are all the same and could not be seen to matter
        weight = final_norm(lm.model).weight
        weight.copy_(torch.linspace(0.5, 2, len(weight)))
    return lm


def direction(seed=0):
    return tiny.random_vector(seed)


def test_promoted_tokens_are_those_whose_logits_the_direction_raises_most(lm):
    """The oracle: move a residual a little along the direction and see which logits rise and fall."""
    hidden = torch.zeros(1, 1, lm.d_model)
    pattern = torch.ones(lm.d_model)
    pattern[::2] = -1
    hidden[0, 0] = pattern  # norm √d, mean 0: RMS norm and LayerNorm only scale it by their weights
    moved = direction()
    moved = moved - moved.mean() - (moved @ pattern) / lm.d_model * pattern  # keeps norm and mean

    def logits(step):
        with torch.no_grad():
            return (final_norm(lm.model)(hidden + step * moved) @ unembedding(lm.model).T)[0, 0]

    rise = logits(1e-2) - logits(-1e-2)
    lens = logit_lens(lm, moved, 5)
    decode = lm.tokenizer.decode
    assert lens.promoted == tuple(decode([i]) for i in rise[: len(lm.tokenizer)].topk(5).indices.tolist())
    assert lens.suppressed == tuple(
        decode([i]) for i in (-rise[: len(lm.tokenizer)]).topk(5).indices.tolist()
    )


def test_turning_the_direction_around_swaps_promoted_and_suppressed(lm):
    lens, turned = logit_lens(lm, direction(), 7), logit_lens(lm, -direction(), 7)
    assert (lens.promoted, lens.suppressed) == (turned.suppressed, turned.promoted)
    assert len(set(lens.promoted)) <= len(lens.promoted) == 7


def vectors(*directions):
    return [
        DomainVector(
            f"d{i}", torch.stack([torch.zeros(3), torch.tensor(d)]), torch.ones(2), torch.ones(2), 1, 1.0, {}
        )
        for i, d in enumerate(directions)
    ]


def test_cosines_are_those_of_the_layer_asked_for_nearest_first():
    one, same, opposite, across = vectors([1.0, 0, 0], [5.0, 0, 0], [-2.0, 0, 0], [0.0, 3, 0])
    assert cosines(one, [opposite, across, same], 1) == pytest.approx({"d1": 1.0, "d3": 0.0, "d2": -1.0})
    assert list(cosines(one, [opposite, across, same], 1)) == ["d1", "d3", "d2"]
    assert cosines(one, [], 1) == {}


def test_the_matrix_of_cosines_is_symmetric_with_ones_on_the_diagonal():
    matrix = cosine_matrix(vectors([1.0, 2, 3], [3.0, 0, 1], [1.0, -1, 1]), 1)
    assert matrix.shape == (3, 3)
    torch.testing.assert_close(matrix, matrix.T)
    torch.testing.assert_close(matrix.diagonal(), torch.ones(3))


@pytest.mark.real_model
def test_the_real_models_vectors_are_read_as_tokens_and_told_apart(cache_dir, tmp_path):
    lm, library = load_model("smollm2-135m", cache=cache_dir, dtype=torch.bfloat16), VectorLibrary(tmp_path)
    reading, django = (library.get(lm, domain) for domain in ("code_reading", "django_web"))  # ready
    lens = logit_lens(lm, reading.directions[reading.default_layer], 10)
    assert len(set(lens.promoted) | set(lens.suppressed)) == 20
    assert lens != logit_lens(lm, django.directions[reading.default_layer], 10)
    assert 0 < cosines(reading, [django], reading.default_layer)["django_web"] < 0.95
