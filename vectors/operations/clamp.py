"""−|α| ≤ ⟨h', u⟩ ≤ |α| with u = v/‖v‖: `cap` and `floor` at once, so that the direction can be felt but not
dominate (Lu et al. 2026, arXiv 2601.10387, on both sides).
"""

from typing import TYPE_CHECKING

from vectors.operations.directions import projection, width
from vectors.operations.directions import unit_and_alpha as parameters

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["change", "parameters", "whole_norm_alpha", "width"]


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return what brings ⟨h, u⟩ into [−|α|, |α|]; hidden and u [tokens, d_model], α [tokens, 1]."""
    unit, alpha = parameters
    along = projection(hidden, unit)
    bound = alpha.abs()
    return (along.clamp(-bound, bound) - along) * unit


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """A bound is a length along the direction."""
    del d_model
    return residual_norm
