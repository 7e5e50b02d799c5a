"""h' = h + α·v/‖v‖: activation addition (Turner et al. 2023, arXiv 2308.10248)."""

from typing import TYPE_CHECKING

from vectors.operations.directions import scaled, width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["change", "parameters", "whole_norm_alpha", "width"]


def parameters(vector: "Tensor", alpha: float, /) -> "tuple[Tensor, ...]":
    """δ = α·v/‖v‖ [d_model]."""
    return (scaled(vector, alpha),)


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return δ, whatever the residual is; all [tokens, d_model]."""
    (delta,) = parameters
    return delta.expand_as(hidden)


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """Adding α·u, u a unit vector, moves by α."""
    del d_model
    return residual_norm
