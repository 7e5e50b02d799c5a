"""h' = h ⊙ (1 + α·v/‖v‖): each channel is scaled, as (IA)³ does with learned scales (Liu et al. 2022,
arXiv 2205.05638), here by the direction's own entries.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def change(hidden: "Tensor", delta: "Tensor") -> "Tensor":
    """Return h ⊙ δ; all [tokens, d_model]."""
    return hidden * delta


def whole_norm_alpha(residual_norm: float, d_model: int) -> float:
    """Multiplying by 1 + α·u, u a unit vector of d_model entries, moves by about α/√d_model of the norm."""
    del residual_norm
    return float(d_model**0.5)
