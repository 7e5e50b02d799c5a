"""A decoder's weights as bytes, with a scale for each output, in the order in which products read them.

What goes into a product is rounded by the largest number of its row, so a few inputs that are always large
would cost the others their last bits. Those are made smaller before, and their weights larger by as much
(SmoothQuant: Xiao et al. 2022, arXiv 2211.10438).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vectors.engine.int8.products import PANEL, Sums, Weights, panels
from vectors.engine.int8.rows import Floats

_ZERO = 128
_ALIGNED = 64


def aligned(size: int) -> Weights:
    """Memory of so many bytes that begins where the processor reads 64 at once."""
    memory = np.empty(size + _ALIGNED, np.int8)
    return memory[-memory.ctypes.data % _ALIGNED :][:size]


def quantised(weight: Tensor, smoothing: Tensor) -> tuple[Weights, Floats, Sums]:
    """Weights [outputs, inputs], whose inputs come divided by `smoothing` [inputs], as panels, the scale of
    each output, and what the inputs' zero adds to its sum.
    """
    wide = weight.float() * smoothing
    scales = wide.abs().amax(dim=1).clamp_min(1e-12) / 127
    levels = torch.round(wide / scales.unsqueeze(1)).to(torch.int8).numpy()
    offsets = _ZERO * levels.sum(axis=1, dtype=np.int32)
    return panels(levels), scales.numpy(), offsets.astype(np.int32)


def fits(shapes: Sequence[torch.Size]) -> bool:
    """Whether weights [outputs, inputs] of these shapes can be laid out so."""
    return all(outputs % PANEL == 0 and inputs % 4 == 0 for outputs, inputs in shapes)


def smoothing(largest: Tensor, weights: Sequence[Tensor], share: float = 0.5) -> Tensor:
    """What inputs are divided by, whose largest in some text are `largest` [inputs], before weights
    [outputs, inputs]; the geometric mean is 1.
    """
    of_weights = torch.stack([each.float().abs().amax(dim=0) for each in weights]).amax(dim=0)
    found = largest.clamp_min(1e-5) ** share / of_weights.clamp_min(1e-5) ** (1 - share)
    return found / found.log().mean().exp()
