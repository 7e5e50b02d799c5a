"""The Llama family built from its files with torch alone, so that nothing of transformers is imported.

Why it exists: importing transformers and the class of a model takes as long as importing torch, and the
embedded model needs neither: the engine runs passes of its own (`vectors.engine.llama_forward`). What is here
is the module that holds the weights, and the plain forward pass that vectors are extracted with. Modules have
transformers' names and do its arithmetic, operation by operation, so that every result is the same.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vectors.models.llama_config import GenerationConfig, LlamaConfig


class Output(NamedTuple):
    """What a forward pass of the whole model returns: logits [batch, seq, vocab]."""

    logits: Tensor


class _Linear(nn.Linear):
    """Its weights come from a file; to draw random ones first takes seconds, also where none are kept."""

    def reset_parameters(self) -> None:
        """Leave the weights to whoever loads them."""


class _Embedding(nn.Embedding):
    """As above."""

    def reset_parameters(self) -> None:
        """Leave the weights to whoever loads them."""


class _RmsNorm(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.hidden_size))
        self._eps = config.rms_norm_eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._eps)
        return self.weight * wide.to(x.dtype)


class _Rotary(nn.Module):
    """Cosines and sines of positions (RoPE, Su et al., arXiv 2104.09864)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self._frequencies = _frequencies(config)

    def forward(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """For `positions` [1, seq], two tensors [1, seq, head_dim] of the dtype and device of `like`."""
        angles = positions[..., None].float() * self._frequencies.to(like.device)
        both = torch.cat((angles, angles), dim=-1)
        return both.cos().to(like.dtype), both.sin().to(like.dtype)


class _Attention(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self._dim = config.head_dim
        self._group = config.num_attention_heads // config.num_key_value_heads
        heads, kv_heads = (n * self._dim for n in (config.num_attention_heads, config.num_key_value_heads))
        self.q_proj = _Linear(config.hidden_size, heads, bias=False)
        self.k_proj = _Linear(config.hidden_size, kv_heads, bias=False)
        self.v_proj = _Linear(config.hidden_size, kv_heads, bias=False)
        self.o_proj = _Linear(heads, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        shape = (*x.shape[:-1], -1, self._dim)
        projections = (self.q_proj, self.k_proj, self.v_proj)
        queries, keys, values = (each(x).view(shape).transpose(1, 2) for each in projections)
        queries, keys = (_turned(each, cos, sin) for each in (queries, keys))
        if mask is not None and self._group > 1:  # as transformers does, whose results ours must be
            keys, values = (each.repeat_interleave(self._group, dim=1) for each in (keys, values))
        seen = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and x.shape[1] > 1,
            scale=self._dim**-0.5,
            enable_gqa=mask is None and self._group > 1,
        )
        output: Tensor = self.o_proj(seen.transpose(1, 2).reshape(*x.shape[:-1], -1))
        return output


class _Mlp(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = _Linear(width, inner, bias=False)
        self.up_proj = _Linear(width, inner, bias=False)
        self.down_proj = _Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return output


class _Block(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.mlp = _Mlp(config)
        self.input_layernorm = _RmsNorm(config)
        self.post_attention_layernorm = _RmsNorm(config)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), cos, sin, mask)
        output: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return output


class _Decoder(nn.Module):
    """Everything but the unembedding."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.embed_tokens = _Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(_Block(config) for _ in range(config.num_hidden_layers))
        self.norm = _RmsNorm(config)
        self.rotary_emb = _Rotary(config)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, use_cache: bool = False
    ) -> Tensor:
        """The normed residual stream [batch, seq, d_model] after the last block.

        Where `attention_mask` [batch, seq] is 0 lies padding, which nothing attends to. There is no cache.
        """
        assert not use_cache, "generating is the engine's work"
        hidden: Tensor = self.embed_tokens(input_ids)
        seq = input_ids.shape[1]
        cos, sin = self.rotary_emb(hidden, torch.arange(seq, device=input_ids.device).unsqueeze(0))
        mask = None
        if attention_mask is not None and not bool(attention_mask.all()):
            past = torch.ones(seq, seq, dtype=torch.bool, device=input_ids.device).tril()
            mask = past & attention_mask.bool()[:, None, None, :]
        for block in self.layers:
            hidden = block(hidden, cos.unsqueeze(1), sin.unsqueeze(1), mask)
        normed: Tensor = self.norm(hidden)
        return normed


class LlamaForCausalLM(nn.Module):
    """A model of the family, with what `vectors.models.blocks` asks of transformers' models."""

    def __init__(self, config: LlamaConfig, generation_config: GenerationConfig) -> None:
        super().__init__()
        self.config, self.generation_config = config, generation_config
        self.model = _Decoder(config)
        self.lm_head = _Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def base_model(self) -> nn.Module:
        """Everything but the unembedding."""
        return self.model

    def get_input_embeddings(self) -> nn.Module:
        """The embedding."""
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        """The unembedding."""
        return self.lm_head

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, use_cache: bool = False
    ) -> Output:
        """Logits for `input_ids` [batch, seq]; see the decoder's own forward for the rest."""
        return Output(self.lm_head(self.model(input_ids, attention_mask, use_cache)))


def build(
    config: LlamaConfig, folder: Path, weights: Mapping[str, Tensor], dtype: torch.dtype
) -> LlamaForCausalLM:
    """Build a model from a folder's config and the `weights` of its files, as `dtype`, on the processor.

    Raises RuntimeError where the weights are not those of the config.
    """
    with torch.device("meta"):
        model = LlamaForCausalLM(config, GenerationConfig.of(folder))
    tensors = {
        name: tensor.to(dtype)
        for name, tensor in weights.items()
        if not name.endswith("rotary_emb.inv_freq")  # older files hold what follows from the config
    }
    if config.tie_word_embeddings:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors, assign=True)
    return model


def _turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn heads [batch, heads, seq, head_dim] by position."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin


def _frequencies(config: LlamaConfig) -> Tensor:
    """The angle [head_dim / 2] by which one position turns each pair of channels."""
    rope, dim = config.rope_parameters, config.head_dim
    exponents = torch.arange(0, dim, 2, dtype=torch.float, device="cpu") / dim  # not "meta", as it is built
    plain: Tensor = 1.0 / (rope["rope_theta"] ** exponents)
    if rope["rope_type"] == "default":
        return plain
    # Llama 3.1: slow channels turn slower by `factor`, fast ones as before, those between are interpolated.
    context, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    wavelength = 2 * math.pi / plain
    slowed = torch.where(wavelength > context / low, plain / factor, plain)
    smooth = (context / wavelength - low) / (high - low)
    between = (1 - smooth) * slowed / factor + smooth * slowed
    medium = ~(wavelength < context / high) * ~(wavelength > context / low)
    return torch.where(medium, between, slowed)
