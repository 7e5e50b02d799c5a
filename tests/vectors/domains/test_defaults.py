import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vectors.domains import defaults
from vectors.domains.domain_vector import DomainVector
from vectors.domains.prompt_sets import domain_names
from vectors.errors import SteeringMismatch
from vectors.operations import DIRECTIONAL, OPERATIONS, SHARES
from vectors.steering.positions import ALL

layers, width = 6, 16


def vector(seed=0, alpha=8.0, **more):
    generator = torch.Generator().manual_seed(seed)
    norms = torch.tensor([4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
    directions = torch.randn(layers, width, generator=generator)
    return DomainVector("d", directions, 3 * norms, norms, 3, alpha, {}, **more)


def test_the_model_the_depths_were_found_on_gets_its_own_layers_back():
    assert defaults.layer_for("code_reading", 28) == defaults.layer_for("patch_writing", 28) == 15
    assert defaults.layer_for("bug_analysis", 28) == defaults.layer_for("django_web", 28) == 18


@given(st.sampled_from([*domain_names(), "a domain of the user's"]), st.integers(8, 200))
def test_every_domain_steers_in_the_middle_of_any_model(domain, n_layers):
    assert 0.4 < defaults.layer_for(domain, n_layers) / (n_layers - 1) < 0.8


def test_without_further_words_a_vector_steers_at_its_default():
    made = vector()
    steering = made.intervention()
    assert (steering.layer, steering.alpha, steering.operation, steering.positions) == (3, 8.0, "add", ALL)
    assert torch.equal(steering.vector, made.directions[3])
    steering.validate(layers, width)


@given(st.integers(0, layers - 1), st.sampled_from([name for name in DIRECTIONAL if name not in SHARES]))
def test_the_alpha_that_a_vector_came_with_is_the_same_share_of_the_spread_anywhere_else(layer, mode):
    made = vector()
    assert made.relative_alpha(made.intervention(layer=layer, operation=mode)) == pytest.approx(8.0 / 32.0)


@given(st.integers(0, layers - 1), st.sampled_from(DIRECTIONAL))
def test_a_vector_without_an_alpha_asks_for_the_dose_at_that_very_place(layer, mode):
    asked = []
    made = vector(alpha=None, dosing=lambda *place: asked.append(place) or 7.5)
    assert made.intervention(layer, operation=mode).alpha == 7.5
    assert asked == [(made, layer, mode)]
    assert made.intervention(layer, 2.0, mode).alpha == 2.0
    assert len(asked) == 1


@given(st.integers(0, layers - 1), st.sampled_from([name for name in DIRECTIONAL if name not in SHARES]))
def test_where_no_dose_can_be_measured_it_is_the_same_small_share_of_the_spread_everywhere(layer, mode):
    for made in (vector(alpha=None), vector(alpha=None, dosing=lambda *place: None)):
        assert made.relative_alpha(made.intervention(layer, operation=mode)) == pytest.approx(defaults.SHARE)


def test_what_is_projected_out_without_a_dose_is_all_of_it():
    assert vector().intervention(operation="ablate").alpha == 1.0
    assert vector(alpha=None).intervention(operation="ablate").alpha == 1.0


def test_an_alpha_that_is_given_is_absolute_and_reported_relative_too():
    made = vector()
    steering = made.intervention(layer=1, alpha=2.0)
    assert steering.alpha == 2.0
    assert made.relative_alpha(steering) == pytest.approx(0.25)


@given(st.integers(1, 1000), st.integers(0, 99))
def test_multiplying_moves_the_residual_by_about_the_relative_alpha(d_model, seed):
    generator = torch.Generator().manual_seed(seed)
    d_model = 500 + d_model
    hidden = torch.randn(64, d_model, generator=generator)
    unit = torch.nn.functional.normalize(torch.randn(d_model, generator=generator), dim=0)
    alpha = 0.3 * OPERATIONS["multiply"].whole_norm_alpha(float("nan"), d_model)
    moved = (hidden * alpha * unit).norm(dim=1) / hidden.norm(dim=1)
    assert float(moved.mean()) == pytest.approx(0.3, rel=0.1)


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(SteeringMismatch, match="expected add or multiply"):
        vector().intervention(operation="project")


@pytest.mark.parametrize("layer", [-1, layers])
def test_a_layer_that_does_not_exist_is_refused(layer):
    with pytest.raises(SteeringMismatch, match="expected 0 to 5"):
        vector().intervention(layer=layer)
