"""A random model through a GGUF file and back computes what it computed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gguf
import pytest
import torch
import transformers

from tests.vectors import tiny
from tests.vectors.models.gguf_writing import no_keys, random_model, write_gguf
from vectors.models import checkpoints, gguf_files
from vectors.models.gguf_keys import ARCHITECTURES
from vectors.models.llama_config import LlamaConfig
from vectors.progress import silent

BASE = {"rope_type": "default", "rope_theta": 50_000.0}
LOCAL = {"rope_type": "default", "rope_theta": 10_000.0}
LLAMA3 = {
    **BASE,
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
OTHER_LLAMA3 = {**LLAMA3, "original_max_position_embeddings": 128}
LINEAR = {**BASE, "rope_type": "linear", "factor": 4.0}
YARN = {**BASE, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
LONG = {
    **BASE,
    "rope_type": "longrope",
    "partial_rotary_factor": 0.75,
    "short_factor": torch.linspace(1.0, 1.5, 6).tolist(),
    "long_factor": torch.linspace(2.0, 9.0, 6).tolist(),
    "attention_factor": 1.25,
    "original_max_position_embeddings": 16,
}
GEMMA3 = {"full_attention": BASE, "sliding_attention": LOCAL}
GEMMA3_LINEAR = {"full_attention": {**LINEAR, "factor": 8.0}, "sliding_attention": LOCAL}

MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 8, "num_hidden_layers": 7}
SOFTCAPPED = {"attn_logit_softcapping": 20.0, "final_logit_softcapping": 10.0, "tie_word_embeddings": True}
LFM2 = {"layer_types": ["conv", "full_attention"] * 2, "block_auto_adjust_ff_dim": False, "conv_L_cache": 3}
GRANITE = {
    "attention_multiplier": 0.2,
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.5,
    "logits_scaling": 2.0,
}


def base(writer):
    writer.add_rope_freq_base(50_000.0)


def scaling(kind, factor, original=None):
    def also(writer):
        base(writer)
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(factor)
        if original:
            writer.add_rope_scaling_orig_ctx_len(original)

    return also


def heads(width, *, window=None, turned=None):
    def also(writer):
        base(writer)
        writer.add_key_length(width)
        writer.add_value_length(width)
        if turned:
            writer.add_rope_dimension_count(turned)
        if window is not None:
            writer.add_sliding_window(window)

    return also


def turned(dimensions):
    def also(writer):
        base(writer)
        writer.add_rope_dimension_count(dimensions)

    return also


def gemma2(writer):
    heads(32, window=8)(writer)
    writer.add_attn_logit_softcapping(20.0)
    writer.add_final_logit_softcapping(10.0)


def gemma3_linear(writer):
    scaling("linear", 8.0)(writer)
    writer.add_key_length(32)
    writer.add_value_length(32)
    writer.add_sliding_window(8)


def experts(writer):
    base(writer)
    writer.add_expert_count(4)
    writer.add_expert_used_count(2)
    writer.add_expert_feed_forward_length(32)


def shared_experts(writer):
    experts(writer)
    writer.add_expert_shared_feed_forward_length(48)


def granite(writer):
    base(writer)
    writer.add_attention_scale(0.2)
    writer.add_embedding_scale(3.0)
    writer.add_residual_scale(0.5)
    writer.add_logit_scale(2.0)


def lfm2(writer):
    base(writer)
    writer.add_head_count_kv([0, 2, 0, 2])
    writer.add_shortconv_l_cache(3)


def phi3_long(writer):
    heads(16, turned=12)(writer)
    writer.add_rope_scaling_orig_ctx_len(16)
    writer.add_rope_scaling_attn_factors(1.25)


def llama3_table(model):
    """The divisors as llama.cpp's converter has them: how far frequencies are from unscaled ones."""
    width = model.config.head_dim
    plain = 1.0 / 50_000.0 ** (torch.arange(0, width, 2) / width)
    return {"rope_freqs.weight": (plain / model.model.rotary_emb.inv_freq).numpy()}


def long_tables(_model):
    return {
        "rope_factors_short.weight": torch.linspace(1.0, 1.5, 6).numpy(),
        "rope_factors_long.weight": torch.linspace(2.0, 9.0, 6).numpy(),
    }


def no_tables(_model):
    return {}


@dataclass(frozen=True)
class Trip:
    """A model of an architecture with fields of its own, and what its file has besides sizes."""

    architecture: str
    also: Callable[[gguf.GGUFWriter], None] = base
    fields: dict[str, Any] = field(default_factory=dict)
    rope: dict[str, Any] = field(default_factory=lambda: BASE)
    tables: Callable[[Any], dict[str, Any]] = no_tables

    def model(self):
        model_class = getattr(transformers, ARCHITECTURES[self.architecture].model)
        positions = {"rope_parameters": self.rope} if self.rope else {}
        return random_model(model_class, **self.fields, **positions)


TRIPS = {
    "llama": Trip("llama"),
    "llama, tied": Trip("llama", fields={"tie_word_embeddings": True}),
    "llama, wide heads": Trip("llama", heads(32, turned=32), {"head_dim": 32}),
    "llama, llama3": Trip("llama", heads(64), {"head_dim": 64}, LLAMA3, llama3_table),
    "llama, another llama3": Trip("llama", heads(64), {"head_dim": 64}, OTHER_LLAMA3, llama3_table),
    "llama, linear": Trip("llama", scaling("linear", 4.0), rope=LINEAR),
    "llama, yarn": Trip("llama", scaling("yarn", 4.0, 128), {"head_dim": 16}, YARN),
    "qwen2": Trip("qwen2"),
    "qwen2, yarn": Trip("qwen2", scaling("yarn", 4.0, 128), rope=YARN),
    "qwen3": Trip("qwen3", heads(32), {"head_dim": 32}),
    "qwen3, yarn": Trip("qwen3", scaling("yarn", 4.0, 128), {"head_dim": 16}, YARN),
    "qwen2moe": Trip("qwen2moe", shared_experts, {**MOE, "shared_expert_intermediate_size": 48}),
    "qwen3moe": Trip("qwen3moe", experts, {**MOE, "head_dim": 16, "norm_topk_prob": True}),
    "smollm3": Trip("smollm3"),
    "granite": Trip("granite", granite, GRANITE),
    "olmo2": Trip("olmo2"),
    "gemma": Trip("gemma", heads(32), {"head_dim": 32, "tie_word_embeddings": True}),
    "gemma2": Trip("gemma2", gemma2, {**GEMMA, **SOFTCAPPED}),
    "gemma3": Trip("gemma3", heads(32, window=8), GEMMA, GEMMA3),
    "gemma3, linear": Trip("gemma3", gemma3_linear, GEMMA, GEMMA3_LINEAR),
    "phi3": Trip("phi3", heads(16, window=8, turned=16), {"sliding_window": 8}),
    "phi3, partial": Trip(
        "phi3", heads(16, window=0, turned=12), {}, {**BASE, "partial_rotary_factor": 0.75}
    ),
    "phi3, long": Trip("phi3", phi3_long, {"original_max_position_embeddings": 16}, LONG, long_tables),
    "starcoder2": Trip("starcoder2", fields={"use_bias": True}),
    "stablelm": Trip("stablelm", turned(4), {"use_qkv_bias": True}, {**BASE, "partial_rotary_factor": 0.25}),
    "nemotron": Trip("nemotron", turned(8), {}, {**BASE, "partial_rotary_factor": 0.5}),
    "lfm2": Trip("lfm2", lfm2, LFM2),
    "gpt2": Trip("gpt2", no_keys, {"n_inner": 128}, {}),
}


def there(path, trip):
    """A model, and its file."""
    model = trip.model()
    write_gguf(path, model, trip.architecture, also=trip.also, tables=trip.tables(model))
    return model


@pytest.mark.parametrize("name", TRIPS)
def test_a_model_computes_what_it_did_before_it_became_a_file(tmp_path, name):
    model = there(tmp_path / "a.gguf", TRIPS[name])
    folder = gguf_files.converted(tmp_path / "a.gguf", tmp_path / "models", silent)
    loaded, _ = checkpoints.load(folder, torch.float32, "cpu")
    ids = torch.tensor([tiny.prompt(3, 40), tiny.prompt(4, 40)])
    with torch.no_grad():
        expected, found = (each(input_ids=ids).logits for each in (model, loaded))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_every_architecture_that_is_read_makes_the_round_trip():
    assert {trip.architecture for trip in TRIPS.values()} == {*ARCHITECTURES}


def test_the_published_scaling_of_llama_3_is_one_that_is_built_here(tmp_path):
    there(tmp_path / "a.gguf", TRIPS["llama, llama3"])
    folder = gguf_files.converted(tmp_path / "a.gguf", tmp_path / "models", silent)
    assert LlamaConfig.of(json.loads((folder / "config.json").read_text())) is not None
