"""Modules that compute each token by itself are told by what they do."""

import torch
import transformers as hf
from torch import nn

from tests.vectors.tiny import tiny_model
from vectors.engine.tokenwise import tokenwise
from vectors.models.blocks import decoder_blocks

SHAPE = {"vocab_size": 258, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}


def named(model):
    """The names of what is found in the first two blocks and outside of blocks."""
    found = {*tokenwise(model)}
    names = [name for name, module in model.named_modules() if module in found]
    return {name for name in names if not any(f".{block}." in name for block in (2, 3))}


def test_what_mixes_tokens_and_what_holds_a_block_are_none():
    alike = ("feed_forward", "operator_norm", "ffn_norm")
    assert named(tiny_model("lfm2")) == {
        *(f"model.layers.0.{part}" for part in ("conv.in_proj", "conv.out_proj", *alike)),
        *(f"model.layers.1.self_attn.{part}_proj" for part in ("q", "k", "v", "out")),
        *(f"model.layers.1.{part}" for part in alike),
        "model.embedding_norm",
        "lm_head",
    }


def test_experts_are_found_whole():
    config = hf.MixtralConfig(**SHAPE, num_attention_heads=4, num_key_value_heads=2, num_local_experts=4)
    found = named(hf.MixtralForCausalLM(config).eval())
    assert "model.layers.0.mlp" in found and not any("experts" in name for name in found)


def test_a_block_that_computes_each_token_by_itself_is_not_one_of_them_since_rows_are_steered_after_it():
    model = tiny_model("llama")
    for block in decoder_blocks(model):
        block.forward = lambda hidden_states, *_args, _block=block, **_kwargs: _block.mlp(hidden_states)
    assert not {*decoder_blocks(model)} & {*tokenwise(model)}


class Leaking(nn.Module):
    """Each token gets a very little of the one before."""

    def forward(self, x):
        return x + 1e-9 * x.roll(1, -2)


def test_a_module_that_mixes_tokens_however_little_is_none():
    model = tiny_model("llama")
    decoder_blocks(model)[0].mlp.act_fn = Leaking()
    found = tokenwise(model)
    assert decoder_blocks(model)[0].mlp not in found
    assert decoder_blocks(model)[0].mlp.gate_proj in found


def test_the_model_is_left_as_it_was():
    model = tiny_model("gpt2")
    ids = torch.arange(20).unsqueeze(0)
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        tokenwise(model)
        assert torch.equal(model(input_ids=ids).logits, before)
    assert not any(module._forward_hooks or "forward" in vars(module) for module in model.modules())
