"""Attention of one token of many rows, or of many tokens of one row, over keys and values where they lie.

Why it exists: in bfloat16 on a processor, torch's fused kernel multiplies in small tiles and takes twice as
long as two batched products with a softmax between them, once there is enough to multiply. The scores are
then rounded to bfloat16 before the softmax. Everywhere else the fused kernel runs.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

_MANY_READ = 4096  # past tokens of all rows, from which on products win for one token of each
_MANY_SCORES = 16_384  # scores of a head, from which on they win for a piece of one row


class Scratch:
    """Memory for the scores of one pass: taken anew for each layer, it would be faulted in page by page."""

    def __init__(self) -> None:
        self._memory: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Memory of a shape, with anything in it."""
        size = math.prod(shape)
        if name not in self._memory or self._memory[name].numel() < size:
            self._memory[name] = like.new_empty(size)
        return self._memory[name][:size].view(shape)


@dataclass(frozen=True, eq=False)
class Extra:
    """What some families do to the scores of their attention beside a scale and a mask.

    `softcap` bounds them softly (Gemma 2, arXiv 2408.00118). `sinks` [heads] are the scores of one more key,
    whose value is nothing (GPT-OSS, arXiv 2508.10925).
    """

    softcap: float | None = None
    sinks: Tensor | None = None

    def weights(self, scores: Tensor, mask: Tensor | None, heads: tuple[int, ...]) -> Tensor:
        """What each key weighs, of scores [..., past], to which the sinks broadcast in the shape `heads`."""
        if self.softcap is not None:
            scores = (scores / self.softcap).tanh_().mul_(self.softcap)
        if mask is not None:
            scores = scores + mask
        if self.sinks is not None:
            nothing = self.sinks.to(scores.dtype).view(heads).expand(*scores.shape[:-1], 1)
            scores = torch.cat([scores, nothing], dim=-1)
        weights = scores.softmax(-1, dtype=torch.float32).to(scores.dtype)
        return weights if self.sinks is None else weights[..., :-1]


def attend_rows(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    scale: float,
    extra: Extra | None = None,
) -> Tensor:
    """Attend from one token of each row; returns the shape of `queries` [rows, kv_heads, group, head_dim].

    `keys` and `values` are [rows, kv_heads, tokens, head_dim], each key head shared by `group` queries.
    `mask` [rows, 1, 1, tokens] is added to the scores.
    """
    if extra is not None:
        scores = queries.mul(scale) @ keys.transpose(-1, -2)
        return extra.weights(scores, mask, (*queries.shape[1:3], 1)) @ values
    rows, tokens = len(queries), keys.shape[2]
    if not _rounds(queries) or rows * tokens < _MANY_READ:
        # The queries that share a key head stand where a sequence would: no key is repeated.
        return scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=scale)
    asked = queries.flatten(0, 1).mul(scale).transpose(1, 2).contiguous()
    # The keys come first: a product whose right factor is transposed takes three times as long.
    scores = torch.bmm(keys.flatten(0, 1), asked).transpose(1, 2).contiguous()
    if mask is not None:
        scores.view(*queries.shape[:3], tokens).add_(mask)
    return torch.bmm(scores.softmax(-1), values.flatten(0, 1)).view_as(queries)


def attend_piece(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    scale: float,
    scratch: Scratch,
    extra: Extra | None = None,
) -> Tensor:
    """Attend from many tokens of a row; returns the shape of `queries` [tokens, kv_heads, group, head_dim].

    `keys` and `values` are [kv_heads, past, head_dim]. `mask` [tokens, past] is added to the scores; without
    one, each of as many tokens as the past has sees those up to itself.
    """
    tokens, kv_heads, group, dim = queries.shape
    past = keys.shape[1]
    heads_first = queries.permute(1, 2, 0, 3)
    if extra is not None:
        if mask is None:
            mask = queries.new_full((tokens, past), -torch.inf).triu_(1)
        scores = heads_first.mul(scale) @ keys.transpose(1, 2).unsqueeze(1)
        seen = extra.weights(scores, mask, (kv_heads, group, 1, 1)) @ values.unsqueeze(1)
        return seen.permute(2, 0, 1, 3)
    if not _rounds(queries) or tokens * past < _MANY_SCORES:
        shared = (kv_heads, group, past, dim)
        each_key, each_value = (cache.unsqueeze(1).expand(shared) for cache in (keys, values))
        seen = scaled_dot_product_attention(
            heads_first, each_key, each_value, attn_mask=mask, is_causal=mask is None, scale=scale
        )
        return seen.permute(2, 0, 1, 3)
    if mask is None:
        mask = queries.new_full((tokens, past), -torch.inf).triu_(1)
    asked = heads_first.mul(scale).reshape(kv_heads, group * tokens, dim)
    scores = scratch.take("scores", (kv_heads, group * tokens, past), asked)
    torch.bmm(asked, keys.transpose(1, 2), out=scores)
    scores.view(kv_heads, group, tokens, past).add_(mask)
    weights = torch.softmax(scores, -1, out=scratch.take("weights", scores.shape, scores))
    return torch.bmm(weights, values).view(kv_heads, group, tokens, dim).permute(2, 0, 1, 3)


def _rounds(queries: Tensor) -> bool:
    return queries.dtype == torch.bfloat16 and queries.device.type == "cpu"
