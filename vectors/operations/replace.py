"""h' = h − ⟨h, u⟩·u + α·u with u = v/‖v‖: what the residual has along the direction is replaced by α, and all
that is orthogonal to it stays. Neuronpedia calls it orthogonal decomposition, lm-evaluation-harness clamping.
"""

from typing import TYPE_CHECKING

from vectors.operations.directions import projection, width
from vectors.operations.directions import unit_and_alpha as parameters

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["change", "parameters", "whole_norm_alpha", "width"]


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return (α − ⟨h, u⟩)·u; hidden and u [tokens, d_model], α [tokens, 1]."""
    unit, alpha = parameters
    return (alpha - projection(hidden, unit)) * unit


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """To a residual that is orthogonal to the direction it adds α·u."""
    del d_model
    return residual_norm
