"""What every operation promises, and the formula of each."""

import subprocess
import sys

import pytest
import torch

from tests.vectors.tiny import random_vector
from vectors import operations
from vectors.errors import SteeringMismatch
from vectors.operations import DIRECTIONAL, OPERATIONS, feature, low_rank
from vectors.steering.intervention import Intervention
from vectors.steering.plan import Span, SteeringPlan
from vectors.steering.positions import Layout
from vectors.steering.row_steering import RowSteering

WIDTH = 8
CPU = torch.device("cpu")


def rows(seed):
    return torch.stack([random_vector(seed + row, WIDTH) for row in range(4)])


def along(h, u):
    return (h * u).sum(-1, keepdim=True)


def restricted(h, u, low, high):
    """The residual whose length along a direction is brought between two bounds."""
    rest = h - along(h, u) * u
    return rest + along(h, u).clip(low, high) * u


INFINITE = float("inf")
FORMULAS = {
    "add": lambda h, u, a: h + a * u,
    "multiply": lambda h, u, a: h * (1 + a * u),
    "ablate": lambda h, u, a: h - a * along(h, u) * u,
    "replace": lambda h, u, a: h - along(h, u) * u + a * u,
    "cap": lambda h, u, a: restricted(h, u, -INFINITE, a),
    "floor": lambda h, u, a: restricted(h, u, a, INFINITE),
    "clamp": lambda h, u, a: restricted(h, u, -abs(a), abs(a)),
}


def applied(operation, vector, alpha, hidden):
    """What a plan makes of residuals [tokens, WIDTH] of one row."""
    row = RowSteering.of([Intervention(vector, 0, alpha, operation)], Layout(1), CPU)
    return SteeringPlan([Span(row, 0, 0, [0] * len(hidden))]).apply(0, hidden.clone())


def test_each_operation_along_a_direction_has_its_formula_here():
    assert set(FORMULAS) == set(DIRECTIONAL)
    assert set(OPERATIONS) - set(DIRECTIONAL) == {"low_rank", "feature"}


@pytest.mark.parametrize("alpha", [-2.0, -0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", DIRECTIONAL)
def test_an_operation_is_its_formula_and_changes_nothing_that_it_is_given(name, alpha):
    hidden, vector = rows(0), random_vector(10, WIDTH)
    given = hidden.clone(), vector.clone()
    wanted = FORMULAS[name](hidden, vector / vector.norm(), alpha)
    torch.testing.assert_close(applied(name, vector, alpha, hidden), wanted)
    parameters = OPERATIONS[name].parameters(vector, alpha)
    kept = [each.clone() for each in parameters]
    OPERATIONS[name].change(hidden, *(each.unsqueeze(0) for each in parameters))
    assert torch.equal(hidden, given[0]) and torch.equal(vector, given[1])
    assert all(map(torch.equal, parameters, kept))


@pytest.mark.parametrize("name", ["ablate", "replace", "cap", "floor", "clamp"])
def test_what_restricts_a_direction_leaves_all_that_is_orthogonal_to_it_and_does_it_once(name):
    hidden, vector = rows(3), random_vector(10, WIDTH)
    unit = vector / vector.norm()
    once = applied(name, vector, 1.0, hidden)
    torch.testing.assert_close(once - along(once, unit) * unit, hidden - along(hidden, unit) * unit)
    torch.testing.assert_close(applied(name, vector, 1.0, once), once)


def test_an_edit_of_low_rank_is_loreft_and_its_strength_a_share_of_it():
    rotation = torch.linalg.qr(torch.randn(WIDTH, 3, generator=torch.Generator().manual_seed(1)))[0].T
    weight, bias, hidden = rows(20)[:3], torch.tensor([1.0, -2.0, 0.5]), rows(0)
    vector = low_rank.packed(rotation, weight, bias)
    edit = (hidden @ weight.T + bias - hidden @ rotation.T) @ rotation
    torch.testing.assert_close(applied("low_rank", vector, 1.0, hidden), hidden + edit)
    torch.testing.assert_close(applied("low_rank", vector, 0.25, hidden), hidden + 0.25 * edit)


@pytest.mark.parametrize("threshold", [0.0, 2.0])
def test_a_feature_is_set_and_what_the_autoencoder_does_not_explain_stays(threshold):
    encoder, decoder, hidden = random_vector(1, WIDTH), random_vector(2, WIDTH), rows(0)
    vector = feature.packed(encoder, decoder, bias=-1.0, threshold=threshold)
    before = hidden @ encoder - 1.0
    active = torch.where(before > threshold, before, 0.0)
    assert 0 < int((active > 0).sum()) < len(hidden)
    wanted = hidden + (5.0 - active).unsqueeze(1) * decoder
    torch.testing.assert_close(applied("feature", vector, 5.0, hidden), wanted)


@pytest.mark.parametrize(
    ("operation", "shape"),
    [
        ("low_rank", (3, WIDTH)),
        ("low_rank", (65, 2 * WIDTH + 1)),
        ("feature", (2 * WIDTH + 1,)),
        ("cap", (2, 8)),
    ],
)
def test_a_vector_of_another_shape_than_the_operations_is_refused(operation, shape):
    with pytest.raises(SteeringMismatch, match="steering vector has shape"):
        Intervention(torch.ones(shape), 0, 1.0, operation).validate(n_layers=1, d_model=WIDTH)


@pytest.mark.parametrize("name", ["add", "multiply"])
def test_the_alpha_of_a_whole_norm_moves_a_residual_by_about_its_norm(name):
    hidden, vector = torch.randn(64, 2048), torch.randn(2048)
    norm = float(hidden.norm(dim=1).mean())
    alpha = OPERATIONS[name].whole_norm_alpha(norm, 2048)
    (delta,) = OPERATIONS[name].parameters(vector, alpha)
    moved = OPERATIONS[name].change(hidden, delta.unsqueeze(0)).norm(dim=1).mean()
    assert float(moved) == pytest.approx(norm, rel=0.1)


def test_an_operation_that_is_added_to_the_table_steers_by_its_name(monkeypatch):
    class Reflect:
        @staticmethod
        def parameters(vector, alpha):
            return (alpha * vector / vector.norm(),)

        @staticmethod
        def width(shape):
            return shape[0]

        @staticmethod
        def change(hidden, unit):
            return -2 * (hidden * unit).sum(-1, keepdim=True) * unit

        @staticmethod
        def whole_norm_alpha(residual_norm, d_model):
            return residual_norm

    monkeypatch.setitem(operations.OPERATIONS, "reflect", Reflect)
    Intervention(torch.tensor([2.0, 0.0, 0.0]), 1, 1.0, "reflect").validate(n_layers=2, d_model=3)
    found = applied("reflect", torch.tensor([2.0, 0.0, 0.0]), 1.0, torch.tensor([[3.0, 4.0, 5.0]]))
    assert found.tolist() == [[-3.0, 4.0, 5.0]]


def test_the_names_cost_no_torch():
    script = "import sys, vectors.operations; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
