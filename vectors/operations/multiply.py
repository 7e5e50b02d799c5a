"""h' = h ⊙ (1 + α·v/‖v‖): each channel is scaled, as (IA)³ does with learned scales (Liu et al. 2022,
arXiv 2205.05638), here by the direction's own entries.
"""

from typing import TYPE_CHECKING

from vectors.operations.directions import scaled, width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["change", "parameters", "whole_norm_alpha", "width"]


def parameters(vector: "Tensor", alpha: float, /) -> "tuple[Tensor, ...]":
    """δ = α·v/‖v‖ [d_model]."""
    return (scaled(vector, alpha),)


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return h ⊙ δ; all [tokens, d_model]."""
    (delta,) = parameters
    return hidden.float() * delta


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """Multiplying by 1 + α·u, u a unit vector of d_model entries, moves by about α/√d_model of the norm."""
    del residual_norm
    return float(d_model**0.5)
