"""What operations along one direction share: the unit vector, and a residual's projection on it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def width(shape: tuple[int, ...], /) -> int | None:
    """A direction is [d_model]."""
    return shape[0] if len(shape) == 1 else None


def scaled(vector: "Tensor", alpha: float) -> "Tensor":
    """α·v/‖v‖ in float32: zero where α is zero, not finite where v or α is not, or v is zero."""
    import torch

    vector = vector.detach().float()
    if alpha == 0 and not vector.any():
        return torch.zeros_like(vector)
    # Scaled by the largest entry first: the square of a large entry would overflow to a silent zero.
    even = vector / vector.abs().max()
    delta: Tensor = even * (alpha / torch.linalg.vector_norm(even))
    return delta


def unit_and_alpha(vector: "Tensor", alpha: float, /) -> "tuple[Tensor, Tensor]":
    """v/‖v‖ [d_model] and α [1], in float32."""
    return scaled(vector, 1.0), vector.new_tensor([alpha]).float()


def projection(hidden: "Tensor", unit: "Tensor") -> "Tensor":
    """How far each residual goes along its unit vector, [tokens, 1] in float32."""
    return (hidden.float() * unit).sum(-1, keepdim=True)
