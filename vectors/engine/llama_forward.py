"""The decoder of the Llama family as one tight loop: SmolLM2, Llama and Qwen3.

Why it exists: at these sizes a transformers forward spends as long between the products as in them. The same
arithmetic in a dozen calls a block, over packed weights with the residual additions inside the products, is
bound by memory instead. It can also start after any block, which reusing a steered prefix needs.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from vectors.engine.packing import FusedLinear, Separate, join_attention, pack
from vectors.engine.ragged import Pass
from vectors.models.blocks import base_model, decoder_blocks, embedding, final_norm, head, text_config

_FAMILIES = ("LlamaForCausalLM", "Qwen3ForCausalLM")
_FIXED_ROPE = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings that depend on a token's position alone."""


class Weighted(Protocol):
    """A module with a weight."""

    weight: Tensor


class _Attention(Separate, Protocol):
    q_norm: Weighted
    k_norm: Weighted
    o_proj: FusedLinear


class _Mlp(Protocol):
    gate_proj: FusedLinear
    up_proj: FusedLinear
    down_proj: FusedLinear


class _Layer(Protocol):
    """A decoder block as transformers names its parts, once it is packed."""

    self_attn: _Attention
    mlp: _Mlp
    input_layernorm: Weighted
    post_attention_layernorm: Weighted


class _Base(Protocol):
    def rotary_emb(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]: ...


class _Block(NamedTuple):
    attention_norm: Tensor
    qkv: FusedLinear
    query_norm: Tensor | None
    key_norm: Tensor | None
    out: FusedLinear
    mlp_norm: Tensor
    gate: FusedLinear
    up: FusedLinear
    down: FusedLinear


class LlamaForward:
    """Runs passes through a packed model of the family."""

    resumable = True
    reusable = True
    in_pieces = True
    group = 1

    def __init__(self, model: nn.Module) -> None:
        config = text_config(model)
        for block in decoder_blocks(model):
            join_attention(cast("_Layer", block).self_attn)
        pack(model)
        self._embedding = embedding(model)
        self.dtype = self._embedding.weight.dtype
        self._head = head(model)
        self._norm = cast("Weighted", final_norm(model)).weight
        self._eps = float(config.rms_norm_eps)
        self._heads = int(config.num_attention_heads)
        self._kv_heads = int(config.num_key_value_heads)
        self._blocks = [self._block(cast("_Layer", block)) for block in decoder_blocks(model)]
        self._cos, self._sin = self._rotary(model, int(config.max_position_embeddings))
        self._head_dim = self._cos.shape[-1]
        self.shapes = [(self._kv_heads, self._head_dim)] * len(self._blocks)
        self._scale = self._head_dim**-0.5

    @staticmethod
    def fits(model: nn.Module) -> bool:
        """Whether this loop computes what the model does."""
        config = text_config(model)
        return (
            type(model).__name__ in _FAMILIES
            and config.hidden_act == "silu"
            and not getattr(config, "use_sliding_window", False)
            and (config.rope_parameters or {}).get("rope_type", "default") in _FIXED_ROPE
        )

    def copied(self, _states: Mapping[int, object]) -> dict[int, object]:
        """Nothing: all is in the cache."""
        return {}

    def detach(self) -> None:
        """Nothing was attached to the model."""

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Run a pass and return the logits [wanted, vocab] of its wanted positions, in float32.

        With `resume` = (layer, hidden) the pass starts after that block, from what it put out: `hidden`
        [tokens, d_model], before any steering there.
        """
        first, hidden = 0, None
        if resume is None:
            hidden = self._embedding(batch.token_ids)
        else:
            first, hidden = resume[0] + 1, batch.after_block(*resume)
        cos = self._cos[batch.positions].unsqueeze(1)
        sin = self._sin[batch.positions].unsqueeze(1)
        width = hidden.shape[-1]
        for layer in range(first, len(self._blocks)):
            block = self._blocks[layer]
            queries, keys, values = self._attended(block, hidden, cos, sin)
            seen = batch.attend(layer, queries, keys, values, self._scale)
            hidden = batch.after_block(layer, self._after(block, seen, hidden))
        batch.plan.check()
        logits: Tensor = self._head(rms_norm(hidden[batch.wanted], (width,), self._norm, self._eps))
        return logits.float()

    def contexts(self, token_ids: Tensor, layer: int) -> Tensor:
        """The residuals [batch, seq, d_model] after a block, of contexts [batch, seq] that are of one length.

        Nothing is steered or kept, and no block after that one is run.
        """
        seq = token_ids.shape[1]
        cos, sin = self._cos[:seq].unsqueeze(1), self._sin[:seq].unsqueeze(1)
        hidden: Tensor = self._embedding(token_ids)
        for block in self._blocks[: layer + 1]:
            attended = self._attended(block, hidden, cos, sin)
            queries, keys, values = (each.transpose(1, 2) for each in attended)
            seen = scaled_dot_product_attention(
                queries, keys, values, is_causal=True, scale=self._scale, enable_gqa=True
            )
            hidden = self._after(block, seen.transpose(1, 2), hidden)
        return hidden

    def _attended(
        self, block: _Block, hidden: Tensor, cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [..., heads, head_dim] of residuals [..., d_model]."""
        turned = self._heads + self._kv_heads
        x = rms_norm(hidden, hidden.shape[-1:], block.attention_norm, self._eps)
        qkv = block.qkv(x).view(*hidden.shape[:-1], turned + self._kv_heads, self._head_dim)
        queries, keys = self._turn(block, qkv[..., :turned, :], cos, sin)
        return queries, keys, qkv[..., turned:, :]

    def _after(self, block: _Block, seen: Tensor, hidden: Tensor) -> Tensor:
        """The residuals [..., d_model] after a block whose heads have seen `seen` [..., heads, head_dim]."""
        hidden = block.out.plus(seen.reshape(*hidden.shape[:-1], -1), hidden)
        x = rms_norm(hidden, hidden.shape[-1:], block.mlp_norm, self._eps)
        return block.down.plus(block.up.times(x, block.gate.silu(x)), hidden)

    def _turn(self, block: _Block, heads: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Turn queries and keys [..., heads, head_dim] by position (RoPE, Su et al., arXiv 2104.09864)."""
        if block.query_norm is not None and block.key_norm is not None:
            shape = (self._head_dim,)
            queries = rms_norm(heads[..., : self._heads, :], shape, block.query_norm, self._eps)
            keys = rms_norm(heads[..., self._heads :, :], shape, block.key_norm, self._eps)
            heads = torch.cat([queries, keys], dim=-2)
        turned = (heads * cos).addcmul_(heads.roll(self._head_dim // 2, -1), sin)
        return turned[..., : self._heads, :], turned[..., self._heads :, :]

    def _block(self, block: _Layer) -> _Block:
        attention, mlp = block.self_attn, block.mlp
        normed = hasattr(attention, "q_norm")  # Qwen3's have norms, Llama's have none
        return _Block(
            attention_norm=block.input_layernorm.weight,
            qkv=join_attention(attention),
            query_norm=attention.q_norm.weight if normed else None,
            key_norm=attention.k_norm.weight if normed else None,
            out=attention.o_proj,
            mlp_norm=block.post_attention_layernorm.weight,
            gate=mlp.gate_proj,
            up=mlp.up_proj,
            down=mlp.down_proj,
        )

    def _rotary(self, model: nn.Module, positions: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines [positions, head_dim]: turning is x·cos + roll(x, head_dim / 2)·sin."""
        like = self._embedding.weight
        rotary = cast("_Base", base_model(model)).rotary_emb
        cos, sin = rotary(like, torch.arange(positions, device=like.device).unsqueeze(0))
        half = cos.shape[-1] // 2
        return cos[0].clone(), torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)
