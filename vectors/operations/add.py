"""h' = h + α·v/‖v‖: activation addition (Turner et al. 2023, arXiv 2308.10248)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def change(hidden: "Tensor", delta: "Tensor") -> "Tensor":
    """Return δ, whatever the residual is; all [tokens, d_model]."""
    del hidden
    return delta


def whole_norm_alpha(residual_norm: float, d_model: int) -> float:
    """Adding α·u, u a unit vector, moves by α."""
    del d_model
    return residual_norm
