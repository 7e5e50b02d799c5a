"""Weights laid out for the processor: oneDNN's blocked format, and fewer bits where the weights have no more.

Why it exists: one token's forward pass reads every weight once, so decoding goes as fast as weights can be
read, and torch's plain product reads them at half the speed that a blocked layout allows. Weights that came
from a file of four or eight bits are kept so beside that (`vectors.engine.levels`), for passes of few rows:
nothing is lost, and a fraction of the bytes is read. Apart from that the packed weights replace the dense
ones.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from vectors.engine.levels import GROUP, planes
from vectors.engine.memory import trim

_ROWS = 16  # the layout is chosen for this many rows; other numbers work, and give the same results
_PADDED_ROWS = 4
"""A single row in float32 is computed as this many: the product of one row has a slower kernel of its own."""
_TRIM_BYTES = 64 << 20
"""Dense weights that were replaced, of which the C library keeps the pages."""
_FEW_ROWS = 6
"""From more rows on the blocked product is as fast as a four-bit one, which is bound by arithmetic."""


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
        self._planes = planes(weight.detach()) if quantised else []
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
            product: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, levels, GROUP, scales)
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
    replaced = 0
    trim()  # of what was read to probe the model
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and type(child).forward is nn.Linear.forward:
                bias = None if child.bias is None else child.bias.detach()
                setattr(module, name, fused(child.weight.detach(), bias))
                replaced += child.weight.nbytes
                if replaced > _TRIM_BYTES:
                    replaced = 0
                    trim()


class Separate(Protocol):
    """An attention layer with a layer each for queries, keys and values."""

    q_proj: nn.Module
    k_proj: nn.Module
    v_proj: nn.Module


def join_attention(attention: Separate) -> FusedLinear:
    """One layer for the queries, keys and values of an attention layer, put in the place of the three."""
    if not hasattr(attention, "qkv"):
        names = ("q_proj", "k_proj", "v_proj")
        parts: list[nn.Linear] = [getattr(attention, name) for name in names]
        bias = None if parts[0].bias is None else torch.cat([part.bias.detach() for part in parts])
        joint = fused(torch.cat([part.weight.detach() for part in parts]), bias)
        start = 0
        for name, part in zip(names, parts, strict=True):
            setattr(attention, name, PartOfLinear(joint, start, start + part.out_features))
            start += part.out_features
        setattr(attention, "qkv", joint)  # noqa: B010 - no attention layer declares it
    layer: FusedLinear = getattr(attention, "qkv")  # noqa: B009
    return layer
