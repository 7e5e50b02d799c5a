"""h' = h + α·Rᵀ(W·h + b − R·h): a learned edit in a subspace of few dimensions, LoReFT (Wu et al. 2024,
arXiv 2404.03592). R [rank, d_model] has orthonormal rows; α = 1 is the edit as it was learned.

The vector of this operation is R, W and b side by side, [rank, 2·d_model + 1]: see `packed`.
"""

from typing import TYPE_CHECKING

from vectors.errors import SteeringMismatch

if TYPE_CHECKING:
    from torch import Tensor

MOST_RANKS = 64
"""A token of a pass holds its row's matrices."""


def packed(rotation: "Tensor", weight: "Tensor", bias: "Tensor") -> "Tensor":
    """The operation's vector, of R and W [rank, d_model] and b [rank]. Raises SteeringMismatch."""
    import torch

    rank = len(rotation)
    if rotation.ndim != 2 or weight.shape != rotation.shape or bias.shape != (rank,):
        raise SteeringMismatch(
            f"an edit of low rank has R {list(rotation.shape)}, W {list(weight.shape)} and b "
            f"{list(bias.shape)}: expected [rank, d_model] twice and [rank]"
        )
    return torch.cat([rotation.float(), weight.float(), bias.float().unsqueeze(1)], dim=1)


def width(shape: tuple[int, ...], /) -> int | None:
    """R and W are d_model wide each, and b is one wide."""
    if len(shape) != 2 or not 1 <= shape[0] <= MOST_RANKS or shape[1] % 2 == 0:
        return None
    return shape[1] // 2


def parameters(vector: "Tensor", alpha: float, /) -> "tuple[Tensor, ...]":
    """R, W − R [rank, d_model], b [rank] and α [1]."""
    d_model = vector.shape[1] // 2
    given = vector.detach().float()
    rotation, weight, bias = given[:, :d_model], given[:, d_model:-1], given[:, -1]
    return rotation, weight - rotation, bias, vector.new_tensor([alpha]).float()


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return α·Rᵀ((W − R)·h + b); hidden [tokens, d_model], R and W [tokens, rank, d_model]."""
    rotation, difference, bias, alpha = parameters
    inside = (difference * hidden.float().unsqueeze(1)).sum(-1) + bias
    return alpha * (rotation * inside.unsqueeze(-1)).sum(1)


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """What was learned has its own strength, of which α is a share."""
    del residual_norm, d_model
    return 1.0
