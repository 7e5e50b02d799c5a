"""⟨h', u⟩ ≥ α with u = v/‖v‖: what falls short of α along the direction is added, nothing else changes
(activation capping of a wanted direction: Lu et al. 2026, arXiv 2601.10387).
"""

from typing import TYPE_CHECKING

from vectors.operations.directions import projection, width
from vectors.operations.directions import unit_and_alpha as parameters

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["change", "parameters", "whole_norm_alpha", "width"]


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return max(α − ⟨h, u⟩, 0)·u; hidden and u [tokens, d_model], α [tokens, 1]."""
    unit, alpha = parameters
    return (alpha - projection(hidden, unit)).clamp_min(0) * unit


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """A bound is a length along the direction."""
    del d_model
    return residual_norm
