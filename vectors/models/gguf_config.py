"""The keys of a GGUF file → the config of a transformers model, by the table of `vectors.models.gguf_keys`.

What llama.cpp takes for granted where a key is missing is written down here, and what transformers takes
for granted is not asked for: its defaults are those of one checkpoint.
"""

from typing import Any

from vectors.errors import UnsupportedModel
from vectors.models.gguf_keys import (
    ARCHITECTURES,
    GENERAL,
    TOKENIZER,
    Architecture,
    Field,
    Only,
    Same,
    Use,
)
from vectors.models.gguf_reading import Fields, GgufFile
from vectors.models.gguf_rotary import rope_parameters

_GEMMA3_PATTERN = 6
_LARGEST_GEMMA = {"gemma2": 46, "gemma3": 62}
"""Blocks of the 27B models, which alone scale queries by the width of a head as if there were no other."""


def architecture_of(file: GgufFile) -> Architecture:
    """Look a file's architecture up. Raises UnsupportedModel where it is not read."""
    found = ARCHITECTURES.get(file.architecture)
    if found is None:
        raise UnsupportedModel(
            f"GGUF files of the architecture {file.architecture!r} are not read, only those of "
            f"{', '.join(ARCHITECTURES)}; name a folder or a hub id with safetensors instead"
        )
    return found


def config_of(file: GgufFile) -> Fields:
    """The fields of the config. Raises UnsupportedModel, naming a key that is missing or not understood."""
    architecture = architecture_of(file)
    used = {key: _use_of(key, file, architecture) for key in file.keys}
    fields: Fields = {
        **architecture.fixed,
        **_written(file, architecture),
        "vocab_size": _shape(file, "token_embd.weight")[0],
        # llama.cpp takes the embedding for a head that is not there
        "tie_word_embeddings": "output.weight" not in file.tensors,
    }
    if "num_attention_heads" in fields:  # gpt2 has neither rotary positions nor heads of another width
        heads = fields["num_attention_heads"]
        fields.setdefault("head_dim", fields["hidden_size"] // heads)
        fields.setdefault("num_key_value_heads", heads)
        fields |= _OF_THEIR_OWN.get(file.architecture, _nothing)(file, fields)
        fields["rope_parameters"] = rope_parameters(file, fields, partial=architecture.partial)
        scaled = fields["rope_parameters"].get("original_max_position_embeddings")
        if architecture.model == "Phi3ForCausalLM":  # the one config that has it in two places
            fields["original_max_position_embeddings"] = scaled or fields["max_position_embeddings"]
    for key, use in used.items():
        expected = (
            use.value if isinstance(use, Only) else fields.get(use.name) if isinstance(use, Same) else None
        )
        if isinstance(use, Only | Same) and file.keys[key] != expected:
            raise UnsupportedModel(f"the GGUF file says {key} = {file.keys[key]!r}, expected {expected!r}")
    return fields


def _use_of(key: str, file: GgufFile, architecture: Architecture) -> Use | None:
    """What the table says of a key; None for one that describes the file."""
    namespace, _, name = key.partition(".")
    if namespace == file.architecture and name in architecture.keys:
        return architecture.keys[name]
    if namespace == "tokenizer" and name in TOKENIZER:
        return TOKENIZER[name]
    if namespace == "tokenizer" and name.startswith("chat_template."):
        return None  # one of several: the default one is `tokenizer.chat_template`
    if namespace == "split" and (key != "split.count" or file.keys[key] <= 1):
        return None
    if namespace in GENERAL and namespace != "split":
        return None
    raise UnsupportedModel(
        f"the GGUF file has the key {key} = {str(file.keys[key])[:60]}, which is not understood for the "
        f"architecture {file.architecture}: leaving it out might change what the model computes"
    )


def _written(file: GgufFile, architecture: Architecture) -> Fields:
    fields: Fields = {}
    for name, use in architecture.keys.items():
        if not isinstance(use, Field):
            continue
        key = f"{file.architecture}.{name}"
        if use.required:
            fields[use.name] = _single(key, file[key])
        elif key in file.keys or use.default is not None:
            fields[use.name] = _single(key, file.keys.get(key, use.default))
    if fields.get("sliding_window") == 0:  # how converters say that there is none
        fields["sliding_window"] = None
    return fields


def _single(key: str, value: Any) -> Any:
    """A value that may be written once for each block, if it is the same for all."""
    if not isinstance(value, list):
        return value
    if len(set(value)) != 1:
        raise UnsupportedModel(
            f"the GGUF file says {key} = {str(value)[:60]}, expected the same for every block"
        )
    return value[0]


def _shape(file: GgufFile, tensor: str) -> tuple[int, ...]:
    if tensor not in file.tensors:
        raise UnsupportedModel(f"the GGUF file lacks the tensor {tensor}")
    return file.tensors[tensor].shape


def _nothing(_file: GgufFile, _fields: Fields) -> Fields:
    return {}


def _attention_bias(file: GgufFile, _fields: Fields) -> Fields:
    return {"attention_bias": "blk.0.attn_q.bias" in file.tensors}


def _gemma(file: GgufFile, fields: Fields) -> Fields:
    if fields["num_hidden_layers"] == _LARGEST_GEMMA[file.architecture]:
        return {"query_pre_attn_scalar": fields["hidden_size"] // fields["num_attention_heads"]}
    return {"query_pre_attn_scalar": fields["head_dim"]}


def _gemma3(file: GgufFile, fields: Fields) -> Fields:
    blocks = range(fields["num_hidden_layers"])
    pattern = file.keys.get("gemma3.attention.sliding_window_pattern", _GEMMA3_PATTERN)
    if isinstance(pattern, int):
        pattern = [(block + 1) % pattern != 0 for block in blocks]
    if len(pattern) != len(blocks):
        raise UnsupportedModel(
            f"the GGUF file says which of {len(pattern)} blocks have a window, and has {len(blocks)} blocks"
        )
    layers = ["sliding_attention" if windowed else "full_attention" for windowed in pattern]
    return {**_gemma(file, fields), "layer_types": layers}


def _starcoder2(file: GgufFile, _fields: Fields) -> Fields:
    return {"use_bias": "blk.0.attn_q.bias" in file.tensors}


def _stablelm(file: GgufFile, _fields: Fields) -> Fields:
    return {"use_qkv_bias": "blk.0.attn_q.bias" in file.tensors}


def _lfm2(file: GgufFile, fields: Fields) -> Fields:
    key = "lfm2.attention.head_count_kv"
    by_block = file[key]
    if not isinstance(by_block, list) or len(by_block) != fields["num_hidden_layers"]:
        raise UnsupportedModel(f"the GGUF file says {key} = {by_block!r}, expected a number for each block")
    heads = {count for count in by_block if count}
    if len(heads) != 1:
        raise UnsupportedModel(f"the GGUF file says {key} = {by_block!r}, expected one number, or 0")
    return {
        "num_key_value_heads": heads.pop(),
        "layer_types": ["full_attention" if count else "conv" for count in by_block],
        "conv_bias": "blk.0.shortconv.in_proj.bias" in file.tensors,
    }


_OF_THEIR_OWN = {
    "llama": _attention_bias,
    "qwen3": _attention_bias,
    "qwen3moe": _attention_bias,
    "smollm3": _attention_bias,
    "granite": _attention_bias,
    "olmo2": _attention_bias,
    "nemotron": _attention_bias,
    "gemma2": _gemma,
    "gemma3": _gemma3,
    "starcoder2": _starcoder2,
    "stablelm": _stablelm,
    "lfm2": _lfm2,
}
