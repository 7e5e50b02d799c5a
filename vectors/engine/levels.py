"""Weights that lie on few levels, as those from a file of four or eight bits: found, and kept at four bits.

Why it exists: what bfloat16 makes of such a file's weights still lies on the file's levels, so that a
fraction of the bytes holds all there is. No other weight is touched.
"""

from typing import Any

import torch
from torch import Tensor

GROUP = 32
"""Weights that share a scale in GGUF's Q4_0, Q4_1 and Q8_0."""
_CHUNK = 256  # rows whose levels are found at a time, so that they stay in the processor's cache
_MOST_OF_TWO = 1 << 26
"""Weights of a layer that is kept as two planes. A larger one, the head of a large vocabulary, would take
seconds to split and hundreds of megabytes to keep, for a sixth of its time (262,144 × 640)."""
_LEVEL_ERROR = 0.15
"""How far from its level a weight may lie, in levels: bfloat16 rounds level 16 and the scale by 1/16 each."""


def planes(weight: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Four-bit weights that add up to `weight` [out, in], levels and scales of each; none if it is no sum.

    A product over them takes w = (level − 8)·scale + offset, with both in bfloat16: what bfloat16
    weights are rounded to as well.
    """
    rows, columns = weight.shape
    if columns % GROUP or rows % GROUP:
        return []
    pack_levels: Any = torch.ops.aten._convert_weight_to_int4pack_for_cpu
    for split, count in ((_sixteen_levels, 1), (_signed_levels, 2)):
        if (count > 1 and weight.numel() > _MOST_OF_TWO) or not split(weight[:GROUP]):
            continue
        # Packed chunk by chunk: whole integer levels would be four bytes a weight, touched once.
        levels = torch.empty(count, rows, columns // 2, dtype=torch.uint8)
        scales = torch.empty(count, columns // GROUP, rows, 2, dtype=torch.bfloat16)
        for start in range(0, rows, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            found = split(weight[chunk])
            if not found:
                return []
            for plane, (level, scale, offset) in enumerate(found):
                levels[plane, chunk] = pack_levels(level.flatten(1).int(), 1)
                scales[plane, :, chunk] = torch.stack([scale, offset], dim=-1).transpose(0, 1)
        return list(zip(levels, scales, strict=True))
    return []


_Plane = tuple[Tensor, Tensor, Tensor]
"""Levels [rows, groups, 32], and scale and offset of each group [rows, groups]."""


def _sixteen_levels(weight: Tensor) -> list[_Plane]:
    """The plane of weights on sixteen levels from each group's lowest, as in Q4_1; none if they are not."""
    grouped = weight.float().view(len(weight), -1, GROUP)
    low, high = grouped.amin(-1), grouped.amax(-1)  # `aminmax` takes ten times as long
    scale = ((high - low) / 15).clamp_min_(1e-12)
    exact = (grouped - low.unsqueeze(-1)).mul_(1 / scale.unsqueeze(-1))
    levels = exact.round()
    if float(exact.sub_(levels).abs_().amax()) > _LEVEL_ERROR:
        return []
    return [(levels, scale, low + 8 * scale)]


def _signed_levels(weight: Tensor) -> list[_Plane]:
    """The planes, of 16 levels and of one, of weights on 255 levels around zero, as in Q8_0.

    bfloat16 blurs levels far from zero, so only those up to 16 tell whether the weights lie on levels.
    """
    grouped = weight.float().view(len(weight), -1, GROUP)
    scale = (grouped.abs().amax(dim=-1) / 127).clamp_min_(1e-12)
    exact = grouped * (1 / scale.unsqueeze(-1))
    levels = exact.round()
    off = exact.sub_(levels).abs_().mul_(levels.abs() <= 16)
    if float(off.amax()) > _LEVEL_ERROR:
        return []
    high = ((levels + 128) / 16).floor_()
    zero = torch.zeros_like(scale)
    return [(high, 16 * scale, zero), (levels + 128 - 16 * high, scale, 8 * scale)]
