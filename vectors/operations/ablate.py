"""h' = h − α·⟨h, u⟩·u with u = v/‖v‖: the direction is projected out where α is 1 (Arditi et al. 2024,
arXiv 2406.11717); a smaller α takes away that share of it.
"""

from typing import TYPE_CHECKING

from vectors.operations.directions import projection, width
from vectors.operations.directions import unit_and_alpha as parameters

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["change", "parameters", "whole_norm_alpha", "width"]


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return −α·⟨h, u⟩·u; hidden and u [tokens, d_model], α [tokens, 1]."""
    unit, alpha = parameters
    return -alpha * projection(hidden, unit) * unit


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """A share of what lies along the direction has no unit of the residual's norm."""
    del residual_norm, d_model
    return 1.0
