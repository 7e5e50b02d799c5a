"""Writes GGUF files of transformers models as llama.cpp's converter does, with the gguf package.

Names of tensors come from the package's own map, so that the table of the reader is held against it.
"""

import gguf
import numpy as np
import torch

from tests.vectors import folders, tiny

PERMUTED = ("llama", "granite", "smollm3")
RAISED = ("gemma", "gemma2", "gemma3", "nemotron")


def permuted(values, heads):
    """llama.cpp's order of the rows of q and k: rotary pairs side by side."""
    rows = values.shape[0]
    return (
        values.reshape(heads, 2, rows // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
    )


def tensors_of(model, architecture):
    """Every tensor of a file, under its name there."""
    config = model.config
    known = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(known[architecture], config.num_hidden_layers)
    found = {}
    for name, weight in model.named_parameters():
        values = weight.detach().float().numpy()
        if architecture in PERMUTED and ".q_proj." in name:
            values = permuted(values, config.num_attention_heads)
        if architecture in PERMUTED and ".k_proj." in name:
            values = permuted(values, config.num_key_value_heads)
        if architecture in RAISED and name.endswith("norm.weight"):
            values = values + 1
        if architecture == "gpt2" and values.ndim == 2 and ".h." in name:
            values = values.T
        if name.endswith("experts.gate_up_proj"):
            stem = name.removesuffix("gate_up_proj")
            gate, up = np.split(values, 2, axis=1)
            found[f"{names.get_name(stem + 'gate_proj')}.weight"] = gate
            found[f"{names.get_name(stem + 'up_proj')}.weight"] = up
            continue
        if name.endswith("experts.down_proj"):
            found[f"{names.get_name(name)}.weight"] = values
            continue
        if name.endswith(("conv.conv.weight", "shared_expert_gate.weight")):
            values = values.squeeze()
        found[names.get_name(name, try_suffixes=(".weight", ".bias"))] = values
    return found


def sizes_of(model, writer):
    """The keys that every architecture has."""
    config = model.config
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(
        getattr(config, "intermediate_size", None)
        or getattr(config, "n_inner", None)
        or 4 * config.hidden_size
    )
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    for name in ("rms_norm_eps", "norm_eps", "norm_epsilon", "layer_norm_eps", "layer_norm_epsilon"):
        if hasattr(config, name):
            rms = "rms" in name or config.model_type == "lfm2"
            (writer.add_layer_norm_rms_eps if rms else writer.add_layer_norm_eps)(getattr(config, name))
    if config.model_type not in ("lfm2", "gpt2"):
        writer.add_head_count_kv(config.num_key_value_heads)


def tokenizer_into(writer):
    """Bytes as tokens, and three that stand for no text."""
    tokenizer = folders.transformers_tokenizer()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    tokens[0] = "12"  # would be used if digits did not stand alone
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if i >= 256 else gguf.TokenType.NORMAL for i in range(len(tokens))]
    )
    writer.add_token_merges(["1 2"])
    writer.add_bos_token_id(tiny.EOS)
    writer.add_eos_token_id(tiny.EOS)
    writer.add_unk_token_id(tiny.PAD)
    writer.add_pad_token_id(tiny.PAD)
    writer.add_chat_template(folders.CHATML)


def no_keys(writer):
    """What a plain model needs besides: nothing."""


def write_gguf(
    path,
    model,
    architecture="llama",
    *,
    leave_out=(),
    also=no_keys,
    tables=(),
    tokenizer=tokenizer_into,
    writer_class=gguf.GGUFWriter,
):
    """A GGUF file of a model; `also` adds keys, `tables` tensors of rotary divisors by name."""
    writer = writer_class(path, architecture)
    sizes_of(model, writer)
    tokenizer(writer)
    also(writer)
    for name, values in {**tensors_of(model, architecture), **dict(tables)}.items():
        if name not in leave_out:
            writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_model(model_class, **more):
    """A tiny random model; its norms and biases are random too, so that none can be mistaken for another."""
    config = {
        "vocab_size": tiny.VOCAB,
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 128,
        "num_hidden_layers": tiny.LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": tiny.CONTEXT,
        "initializer_range": 0.1,
        "bos_token_id": None,
        "eos_token_id": tiny.EOS,
        "pad_token_id": tiny.PAD,
        "tie_word_embeddings": False,
    } | more
    torch.manual_seed(11)
    model = model_class(model_class.config_class(**config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.add_(0.1 * torch.randn_like(weight))
    return model
