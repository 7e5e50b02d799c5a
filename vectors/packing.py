"""Weights laid out for the processor: oneDNN's blocked format, and four bits where the weights have no more.

Why it exists: one token's forward pass reads every weight once, so decoding goes as fast as weights can be
read, and torch's plain product reads them at half the speed that a blocked layout allows. Weights that came
from a four-bit file are kept at four bits beside that, for passes of few rows: nothing is lost, and a quarter
of the bytes is read. The packed weights replace the dense ones: there is one copy, except at four bits.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS = 16  # the layout is chosen for this many rows; other numbers work, and give the same results
_GROUP = 32  # weights that share a scale in a four-bit GGUF file (Q4_0, Q4_1)
_MAX_FOUR_BIT_ROWS = 6
"""From this many rows on the blocked product is as fast as the four-bit one, which is bound by arithmetic."""
_LEVEL_ERROR = 0.1
"""How far from its level a weight may lie, in levels: bfloat16 keeps a sixteen-level grid to 0.03."""


class FusedLinear(nn.Module):
    """A linear layer with the three things that follow one in a decoder block done in the same kernel.

    This one holds a dense weight [out, in], for devices and dtypes without a blocked layout.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        """x·Wᵀ + b, for x [..., in]."""
        return functional.linear(x, self.weight, self.bias)

    def silu(self, x: Tensor) -> Tensor:
        """silu(x·Wᵀ + b)."""
        return functional.silu(self(x), inplace=True)

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """(x·Wᵀ + b) ⊙ other."""
        product: Tensor = self(x)
        return product.mul_(other)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x·Wᵀ + b + other."""
        product: Tensor = self(x)
        return product.add_(other)


class PackedLinear(FusedLinear):
    """The same over a blocked weight, and over a four-bit one for few rows where that loses nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _ROWS)
        self._four_bit = (
            _four_bit(weight.detach()) if weight.dtype == torch.bfloat16 and bias is None else None
        )

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The dense weight [out, in], unpacked anew."""
        dense: Tensor = self._packed.to_dense()
        return dense

    @property
    def at_four_bits(self) -> bool:
        """Whether few rows are multiplied with four-bit weights."""
        return self._four_bit is not None

    def forward(self, x: Tensor) -> Tensor:
        """x·Wᵀ + b, for x [..., in]."""
        if self._few(x):
            return self._four_bit_product(x)
        return self._product(x, "none")

    def silu(self, x: Tensor) -> Tensor:
        """silu(x·Wᵀ + b)."""
        if self._few(x):
            return functional.silu(self._four_bit_product(x), inplace=True)
        return self._product(x, "swish")

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """(x·Wᵀ + b) ⊙ other."""
        if self._few(x):
            return self._four_bit_product(x).mul_(other)
        return self._product_with(x, other, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x·Wᵀ + b + other."""
        if self._few(x):
            return self._four_bit_product(x).add_(other)
        return self._product_with(x, other, "add")

    def _few(self, x: Tensor) -> bool:
        return self._four_bit is not None and x.numel() <= _MAX_FOUR_BIT_ROWS * self.in_features

    def _four_bit_product(self, x: Tensor) -> Tensor:
        assert self._four_bit is not None
        levels, scales = self._four_bit
        flat = x.reshape(-1, self.in_features)
        product: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, levels, _GROUP, scales)
        return product.view(*x.shape[:-1], self.out_features)

    def _product(self, x: Tensor, after: str) -> Tensor:
        product: Tensor = _linear(x, self._packed, self.bias, after, [], "")
        return product

    def _product_with(self, x: Tensor, other: Tensor, operation: str) -> Tensor:
        product: Tensor = _linear_with(x, other, self._packed, self.bias, operation)
        return product


class PartOfLinear(nn.Module):
    """One of several layers whose weights were joined: its share of the joint product."""

    def __init__(self, joint: FusedLinear, start: int, end: int) -> None:
        super().__init__()
        self._joint, self._start, self._end = joint, start, end

    def forward(self, x: Tensor) -> Tensor:
        """This layer's outputs [..., end - start]."""
        outputs: Tensor = self._joint(x)
        return outputs[..., self._start : self._end]


_linear: Any = torch.ops.mkldnn._linear_pointwise.default
_linear_with: Any = torch.ops.mkldnn._linear_pointwise.binary


def can_pack(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether this machine has a blocked layout for weights of a dtype that it multiplies in hardware."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (
        dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def fused(weight: Tensor, bias: Tensor | None) -> FusedLinear:
    """A layer over `weight` [out, in], in the best layout that this machine has for it."""
    return (PackedLinear if can_pack(weight.dtype, weight.device) else FusedLinear)(weight, bias)


def pack(model: nn.Module) -> None:
    """Replace every linear layer of a model by one that computes the same, in the best layout there is.

    Layers whose weights lie on sixteen levels in each group of 32, as those from a Q4 file do, are kept at
    four bits as well; no other layer's weights change. The embedding keeps its dense weight, also where the
    output head shares it. A packed model is left as it is.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                bias = None if child.bias is None else child.bias.detach()
                setattr(module, name, fused(child.weight.detach(), bias))


def join_attention(attention: Any) -> FusedLinear:
    """One layer for the queries, keys and values of an attention layer, put in the place of the three."""
    if not hasattr(attention, "qkv"):
        names = ("q_proj", "k_proj", "v_proj")
        parts = [getattr(attention, name) for name in names]
        bias = None if parts[0].bias is None else torch.cat([part.bias.detach() for part in parts])
        joint = fused(torch.cat([part.weight.detach() for part in parts]), bias)
        start = 0
        for name, part in zip(names, parts, strict=True):
            setattr(attention, name, PartOfLinear(joint, start, start + part.out_features))
            start += part.out_features
        attention.qkv = joint
    layer: FusedLinear = attention.qkv
    return layer


def _four_bit(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """The weight's levels, packed, and each group's scale and offset; None where it has too many levels.

    The product takes w = (level − 8)·scale + offset, with both in bfloat16: the rounding that bfloat16
    weights have too.
    """
    rows, columns = weight.shape
    if columns % _GROUP or rows % 32 or not _on_levels(weight[:32]):
        return None
    low, scale, levels = _levels(weight)
    if not _fits(weight, low, scale, levels):
        return None
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.view(rows, columns).to(torch.int32), 1)
    scales = torch.stack([scale, low + 8 * scale], dim=-1).transpose(0, 1)
    return packed, scales.to(torch.bfloat16).contiguous()


def _on_levels(weight: Tensor) -> bool:
    return _fits(weight, *_levels(weight))


def _levels(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each group's lowest weight and step [rows, groups], and every weight's level [rows, groups, 32]."""
    grouped = weight.float().view(weight.shape[0], -1, _GROUP)
    low, high = grouped.amin(-1), grouped.amax(-1)
    scale = ((high - low) / 15).clamp_min(1e-12)
    levels = ((grouped - low.unsqueeze(-1)) / scale.unsqueeze(-1)).round_()
    return low, scale, levels


def _fits(weight: Tensor, low: Tensor, scale: Tensor, levels: Tensor) -> bool:
    grouped = weight.float().view(levels.shape)
    rebuilt = levels * scale.unsqueeze(-1) + low.unsqueeze(-1)
    return bool(((grouped - rebuilt).abs() <= _LEVEL_ERROR * scale.unsqueeze(-1)).all())
