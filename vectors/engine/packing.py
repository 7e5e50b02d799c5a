"""Weights laid out for the processor: oneDNN's blocked format, and fewer bits where the weights have no more.

Why it exists: one token's forward pass reads every weight once, so decoding goes as fast as weights can be
read, and torch's plain product reads them at half the speed that a blocked layout allows. Weights that came
from a file of four or eight bits are kept so beside that, for passes of few rows: nothing is lost, and a
fraction of the bytes is read. Apart from that the packed weights replace the dense ones.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS = 16  # the layout is chosen for this many rows; other numbers work, and give the same results
_PADDED_ROWS = 4
"""A single row in float32 is computed as this many: the product of one row has a slower kernel of its own."""
_GROUP = 32  # weights that share a scale in GGUF's Q4_0, Q4_1 and Q8_0
_FEW_ROWS = 6
"""From more rows on the blocked product is as fast as a four-bit one, which is bound by arithmetic."""
_CHUNK = 512  # rows whose levels are found at a time, so that they stay in the processor's cache
_LEVEL_ERROR = 0.15
"""How far from its level a weight may lie, in levels: bfloat16 rounds level 16 and the scale by 1/16 each."""


class FusedLinear(nn.Module):
    """A linear layer with the three things that follow one in a decoder block done in the same kernel.

    This one holds a dense weight [out, in], for devices and dtypes without a blocked layout.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self.weight = weight

    @property
    def read_bytes(self) -> int:
        """Bytes of weights that a product reads."""
        return self.out_features * self.in_features * self.weight.element_size()

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
    """The same over a blocked weight, and over few bits for few rows where that loses nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _ROWS)
        self._pads = weight.dtype == torch.float32
        quantised = weight.dtype == torch.bfloat16 and bias is None
        self._planes = _planes(weight.detach()) if quantised else []
        self._few_values = _FEW_ROWS // max(1, len(self._planes)) * self.in_features if self._planes else 0

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The dense weight [out, in], unpacked anew."""
        dense: Tensor = self._packed.to_dense()
        return dense

    @property
    def bits(self) -> int:
        """How many bits a weight has for few rows: 4, 8, or those of the dtype."""
        return 4 * len(self._planes) or 8 * self._packed.element_size()

    @property
    def read_bytes(self) -> int:
        """Bytes of weights that the product of one row reads."""
        if self._planes:
            return sum(levels.nbytes + scales.nbytes for levels, scales in self._planes)
        itemsize: int = self._packed.element_size()
        return self.out_features * self.in_features * itemsize

    def forward(self, x: Tensor) -> Tensor:
        """x·Wᵀ + b, for x [..., in]."""
        if 0 < x.numel() <= self._few_values:
            return self._few_bits(x)
        return self._blocked(x, "none")

    def silu(self, x: Tensor) -> Tensor:
        """silu(x·Wᵀ + b)."""
        if 0 < x.numel() <= self._few_values:
            return functional.silu(self._few_bits(x), inplace=True)
        return self._blocked(x, "swish")

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """(x·Wᵀ + b) ⊙ other."""
        if 0 < x.numel() <= self._few_values:
            return self._few_bits(x).mul_(other)
        return self._blocked_with(x, other, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x·Wᵀ + b + other."""
        if 0 < x.numel() <= self._few_values:
            return self._few_bits(x).add_(other)
        return self._blocked_with(x, other, "add")

    def _few_bits(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.in_features)
        total: Tensor | None = None
        for levels, scales in self._planes:
            product: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, levels, _GROUP, scales)
            total = product if total is None else total.add_(product)
        assert total is not None
        return total.view(*x.shape[:-1], self.out_features)

    def _blocked(self, x: Tensor, after: str) -> Tensor:
        if self._pads and x.numel() == self.in_features:
            rows = x.reshape(1, -1).expand(_PADDED_ROWS, -1)
            product: Tensor = _linear(rows, self._packed, self.bias, after, [], "")[:1]
            return product.view(*x.shape[:-1], self.out_features)
        whole: Tensor = _linear(x, self._packed, self.bias, after, [], "")
        return whole

    def _blocked_with(self, x: Tensor, other: Tensor, operation: str) -> Tensor:
        if self._pads and x.numel() == self.in_features:
            rows = (each.reshape(1, -1).expand(_PADDED_ROWS, -1) for each in (x, other))
            product: Tensor = _linear_with(*rows, self._packed, self.bias, operation)[:1]
            return product.view(*x.shape[:-1], self.out_features)
        whole: Tensor = _linear_with(x, other, self._packed, self.bias, operation)
        return whole


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
            if isinstance(child, nn.Linear) and type(child).forward is nn.Linear.forward:
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


def _planes(weight: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Four-bit weights that add up to `weight` [out, in], levels and scales of each; none if it is no sum.

    A product over them takes w = (level − 8)·scale + offset, with both in bfloat16: what bfloat16
    weights are rounded to as well.
    """
    rows, columns = weight.shape
    if columns % _GROUP or rows % _GROUP:
        return []
    for split, planes in ((_sixteen_levels, 1), (_signed_levels, 2)):
        if not split(weight[:_GROUP]):
            continue
        levels = torch.empty(planes, rows, columns, dtype=torch.int32)
        scales = torch.empty(planes, columns // _GROUP, rows, 2, dtype=torch.bfloat16)
        for start in range(0, rows, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            found = split(weight[chunk])
            if not found:
                return []
            for plane, (level, scale, offset) in enumerate(found):
                levels[plane, chunk] = level.flatten(1)
                scales[plane, :, chunk] = torch.stack([scale, offset], dim=-1).transpose(0, 1)
        pack_levels: Any = torch.ops.aten._convert_weight_to_int4pack_for_cpu
        return [(pack_levels(level, 1), scale) for level, scale in zip(levels, scales, strict=True)]
    return []


_Plane = tuple[Tensor, Tensor, Tensor]
"""Levels [rows, groups, 32], and scale and offset of each group [rows, groups]."""


def _sixteen_levels(weight: Tensor) -> list[_Plane]:
    """The plane of weights on sixteen levels from each group's lowest, as in Q4_1; none if they are not."""
    grouped = weight.float().view(len(weight), -1, _GROUP)
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
    grouped = weight.float().view(len(weight), -1, _GROUP)
    scale = (grouped.abs().amax(dim=-1) / 127).clamp_min_(1e-12)
    exact = grouped * (1 / scale.unsqueeze(-1))
    levels = exact.round()
    off = exact.sub_(levels).abs_().masked_fill_(levels.abs() > 16, 0)
    if float(off.amax()) > _LEVEL_ERROR:
        return []
    high = ((levels + 128) / 16).floor_()
    zero = torch.zeros_like(scale)
    return [(high, 16 * scale, zero), (levels + 128 - 16 * high, scale, 8 * scale)]
