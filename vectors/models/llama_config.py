"""What the JSON files of a Llama's folder say, and whether `vectors.models.llama` builds such a model.

Apart from the modules, because the question is asked of every checkpoint, and the answer needs no torch.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

ARCHITECTURE = "LlamaForCausalLM"
_ROPE_TYPES = ("default", "llama3")


@dataclass(frozen=True)
class LlamaConfig:
    """The part of a config.json that decides what is computed, under its names there."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    tie_word_embeddings: bool
    rope_parameters: dict[str, Any]
    hidden_act: str = "silu"
    model_type: str = "llama"
    eos_token_id: int | list[int] | None = None

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self | None:
        """Read a config.json; None for one that asks for something that is not built here."""
        # Older files have the rotary embedding's base beside its scaling, and the type under another name.
        scaling = data.get("rope_scaling") or {}
        rope = data.get("rope_parameters") or {"rope_theta": data.get("rope_theta", 10_000.0), **scaling}
        rope = {"rope_type": rope.get("type", "default"), **rope}
        plain = (
            data.get("architectures") == [ARCHITECTURE]
            and data.get("hidden_act", "silu") == "silu"
            and rope["rope_type"] in _ROPE_TYPES
            and rope.get("partial_rotary_factor", 1.0) == 1.0
            and not any(data.get(name) for name in ("attention_bias", "mlp_bias", "quantization_config"))
        )
        if not plain:
            return None
        heads = data["num_attention_heads"]
        return cls(
            vocab_size=data["vocab_size"],
            hidden_size=data["hidden_size"],
            intermediate_size=data["intermediate_size"],
            num_hidden_layers=data["num_hidden_layers"],
            num_attention_heads=heads,
            num_key_value_heads=data.get("num_key_value_heads") or heads,
            head_dim=data.get("head_dim") or data["hidden_size"] // heads,
            max_position_embeddings=data["max_position_embeddings"],
            rms_norm_eps=data.get("rms_norm_eps", 1e-6),
            tie_word_embeddings=data.get("tie_word_embeddings", False),
            rope_parameters=rope,
            eos_token_id=data.get("eos_token_id"),
        )


class GenerationConfig(NamedTuple):
    """What ends a generation: a token, several, or nothing."""

    eos_token_id: int | list[int] | None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a checkpoint's generation_config.json, or its config.json where it has none."""
        own = folder / "generation_config.json"
        data = json.loads((own if own.is_file() else folder / "config.json").read_text())
        return cls(data.get("eos_token_id"))
