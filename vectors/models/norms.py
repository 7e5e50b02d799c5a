"""What a final norm does to a direction that is read through the unembedding."""

import torch
from torch import Tensor, nn


def norm_scale(norm: nn.Module, d_model: int) -> Tensor:
    """The factor [d_model] of a norm, float32. RMS norms give it for a vector of ones, whichever way they
    hold it (Gemma's is 1 + weight); LayerNorm centres that vector away, so its weight is read.
    """
    if isinstance(norm, nn.LayerNorm):
        return norm.weight.detach().float()
    like = next(norm.parameters())
    scale: Tensor = norm(torch.ones(1, 1, d_model, dtype=like.dtype, device=like.device))
    return scale.detach().float().flatten()
