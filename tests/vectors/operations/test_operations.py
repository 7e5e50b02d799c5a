"""What every operation promises, and the formula of each."""

import subprocess
import sys

import pytest
import torch

from tests.vectors.tiny import random_vector
from vectors import operations
from vectors.operations import OPERATIONS
from vectors.steering import RowSteering, Steering, SteeringPlan

FORMULAS = {"add": lambda h, d: h + d, "multiply": lambda h, d: h * (1 + d)}


def rows(seed):
    return torch.stack([random_vector(seed + row, 8) for row in range(3)])


def test_each_operation_has_its_formula_here():
    assert set(FORMULAS) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_its_formula_and_changes_nothing_that_it_is_given(name):
    hidden, delta = rows(0), rows(10)
    given = hidden.clone(), delta.clone()
    torch.testing.assert_close(hidden + OPERATIONS[name].change(hidden, delta), FORMULAS[name](hidden, delta))
    assert torch.equal(hidden, given[0]) and torch.equal(delta, given[1])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_alpha_of_a_whole_norm_moves_a_residual_by_about_its_norm(name):
    hidden, delta = torch.randn(64, 2048), torch.randn(2048)
    norm = float(hidden.norm(dim=1).mean())
    delta *= OPERATIONS[name].whole_norm_alpha(norm, 2048) / delta.norm()
    moved = OPERATIONS[name].change(hidden, delta.expand(64, -1)).norm(dim=1).mean()
    assert float(moved) == pytest.approx(norm, rel=0.1)


def test_an_operation_that_is_added_to_the_table_steers_by_its_name(monkeypatch):
    class Reflect:
        @staticmethod
        def change(hidden, delta):
            unit = torch.nn.functional.normalize(delta, dim=-1)
            return -2 * (hidden * unit).sum(-1, keepdim=True) * unit

        @staticmethod
        def whole_norm_alpha(residual_norm, d_model):
            return residual_norm

    monkeypatch.setitem(operations.OPERATIONS, "reflect", Reflect)
    steering = Steering(torch.tensor([2.0, 0.0, 0.0]), 1, 1.0, mode="reflect")
    steering.validate(n_layers=2, d_model=3)
    row = RowSteering.of(steering, 1, torch.float32, torch.device("cpu"))
    plan = SteeringPlan([(row, 0, 0, 1)], torch.device("cpu"))
    assert plan.apply(1, torch.tensor([[3.0, 4.0, 5.0]])).tolist() == [[-3.0, 4.0, 5.0]]


def test_the_names_cost_no_torch():
    script = "import sys, vectors.operations; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
