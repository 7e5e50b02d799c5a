"""A decoder's weights as bytes, with a scale for each output, in the order in which products read them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from vectors.engine.int8.products import PANEL, Sums, Weights, panels
from vectors.engine.int8.rows import Floats
from vectors.engine.int8.smoothing import HEAD, Smoothing
from vectors.engine.llama_forward import Weighted
from vectors.models.blocks import decoder_blocks, final_norm, head, text_config

_ZERO = 128
_ALIGNED = 64


class _Attention(Protocol):
    q_proj: Weighted
    k_proj: Weighted
    v_proj: Weighted
    o_proj: Weighted
    q_norm: Weighted
    k_norm: Weighted


class _Mlp(Protocol):
    gate_proj: Weighted
    up_proj: Weighted
    down_proj: Weighted


class _Block(Protocol):
    """A decoder block as transformers names its parts."""

    self_attn: _Attention
    mlp: _Mlp
    input_layernorm: Weighted
    post_attention_layernorm: Weighted


class ByteWeights(NamedTuple):
    """Of some products one after another: panels of bytes, the scale of each output, and what the inputs'
    zero adds to its sum. `norms` is what their inputs are multiplied by.
    """

    weights: Weights
    scales: Floats
    offsets: Sums
    norms: Floats

    @classmethod
    def of_blocks(cls, model: nn.Module, smoothing: Smoothing) -> Self:
        """Of each block: queries, keys and values in one, the way out, gate and up in one, down."""
        made, norms = [], []
        for number, module in enumerate(decoder_blocks(model)):
            block = cast("_Block", module)
            attention, mlp = block.self_attn, block.mlp
            joined = {
                "qkv": [attention.q_proj, attention.k_proj, attention.v_proj],
                "out": [attention.o_proj],
                "up": [mlp.gate_proj, mlp.up_proj],
                "down": [mlp.down_proj],
            }
            for product, parts in joined.items():
                weight = torch.cat([part.weight.detach() for part in parts])
                made.append(_quantised(weight, smoothing[number, product]))
            dim = len(attention.q_proj.weight) // text_config(model).num_attention_heads
            own = [attention.q_norm, attention.k_norm] if has_head_norms(module) else []
            norms += [
                block.input_layernorm.weight.detach().float() / smoothing[number, "qkv"],
                block.post_attention_layernorm.weight.detach().float() / smoothing[number, "up"],
                1 / smoothing[number, "out"],
                1 / smoothing[number, "down"],
                *([each.weight.detach().float() for each in own] or [torch.ones(2 * dim)]),
            ]
        return cls._joined(made, norms)

    @classmethod
    def of_head(cls, model: nn.Module, smoothing: Smoothing) -> Self:
        """Of the output head."""
        even = smoothing[len(decoder_blocks(model)), HEAD]
        norm = cast("Weighted", final_norm(model)).weight.detach().float()
        weight = cast("Weighted", head(model)).weight.detach()
        return cls._joined([_quantised(weight, even)], [norm / even])

    @classmethod
    def _joined(cls, made: Sequence[tuple[Weights, Floats, Sums]], norms: Sequence[Tensor]) -> Self:
        parts, scales, offsets = zip(*made, strict=True)
        size = sum(len(part) for part in parts)
        memory = np.empty(size + _ALIGNED, np.int8)
        weights = memory[-memory.ctypes.data % _ALIGNED :][:size]  # the processor reads 64 at once
        np.concatenate(parts, out=weights)
        return cls(
            weights,
            np.concatenate(scales),
            np.concatenate(offsets),
            torch.cat(list(norms)).numpy(),
        )


def linears(module: nn.Module) -> list[nn.Linear]:
    """The linear layers in a module."""
    return [each for each in module.modules() if isinstance(each, nn.Linear)]


def has_head_norms(block: nn.Module) -> bool:
    """Whether the heads of a block's attention have norms: Qwen3's have, Llama's have none."""
    return hasattr(cast("_Block", block).self_attn, "q_norm")


def _quantised(weight: Tensor, even: Tensor) -> tuple[Weights, Floats, Sums]:
    """Weights [outputs, inputs] of inputs that come divided by `even`; the last panel may end in zeros."""
    wide = nn.functional.pad(weight.float() * even, (0, 0, 0, -len(weight) % PANEL))
    scales = wide.abs().amax(dim=1).clamp_min(1e-12) / 127
    levels = torch.round(wide / scales.unsqueeze(1)).to(torch.int8).numpy()
    offsets = (_ZERO * levels.sum(axis=1, dtype=np.int64)).astype(np.int32)
    return panels(levels), scales.numpy(), offsets
