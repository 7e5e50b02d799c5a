"""Turns a GGUF file into a folder of safetensors that loads in a fraction of a second ever after.

Reading GGUF takes transformers some 16 seconds for the embedded model, and a library more than this project
has (accelerate). So a file is converted once: every tensor is dequantised to exactly the value that the
file's own format defines. Quantised tensors become float32, because a product of their scales and integers
need not be representable in bfloat16; F16 and BF16 tensors keep their type.
"""

import hashlib
import json
import secrets
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from vectors.errors import UnsupportedModel
from vectors.progress import Progress

_FORMAT = 2
"""Part of what a converted folder is known by: raise it whenever the same file gives another folder."""
SOURCE_FILE = "source.json"
"""Written into a converted folder: the sha256 of the GGUF file that the folder was made from."""


def converted(gguf: Path, models: Path, progress: Progress) -> Path:
    """Return the folder under `models` that holds `gguf` as safetensors, converting it on first use.

    A file is known by its path, size and modification time, since hashing gigabytes at each start would
    cost more than loading them. Raises UnsupportedModel for a file that cannot be converted.
    """
    facts = gguf.resolve().stat()
    key = f"{gguf.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{_FORMAT}"
    folder = models / f"{gguf.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.exists():
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                convert_into(folder, gguf, sha256_of(gguf), progress)
    return folder


def convert_into(folder: Path, gguf: Path, sha256: str, progress: Progress) -> None:
    """Convert `gguf` into `folder`, which appears only when it is complete. Raises UnsupportedModel."""
    staging = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}.part")
    staging.mkdir()  # with the mode of any new folder: a temporary one would be its user's alone
    try:
        _convert(gguf, staging, progress)
        (staging / SOURCE_FILE).write_text(json.dumps({"gguf": gguf.name, "sha256": sha256}))
        staging.replace(folder)
    except (OSError, UnsupportedModel):
        raise
    except Exception as error:  # the readers raise whatever a malformed file makes them stumble over
        reason = " ".join(str(error).split())[:200]
        raise UnsupportedModel(
            f"{gguf.name} cannot be converted: {reason}; expected a GGUF file of a causal language model"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Hash a file without holding it in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(gguf: Path, folder: Path, progress: Progress) -> None:
    import torch
    from gguf import GGUFReader
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    progress(f"reading {gguf.name}", 0, 1)
    reader = GGUFReader(gguf)
    config = AutoConfig.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    tokenizer = _tokenizer(reader, gguf)
    config.architectures = [type(model).__name__]
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    config.bos_token_id = tokenizer.bos_token_id
    tensors = _weights(reader, model, progress)
    config.dtype = "float32"
    config.save_pretrained(folder)
    generation = GenerationConfig.from_model_config(config)
    generation.eos_token_id = _ends(reader, tokenizer.eos_token_id)
    generation.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _ends(reader: Any, eos_token_id: int | None) -> list[int] | None:
    """The tokens that end a text, a turn or a message: many files name the first and mean the second."""
    fields = [reader.get_field(f"tokenizer.ggml.{role}_token_id") for role in ("eot", "eom")]
    named = [int(field.contents()) for field in fields if field is not None]
    return sorted({*named, *([] if eos_token_id is None else [eos_token_id])}) or None


def _weights(reader: Any, model: Any, progress: Progress) -> dict[str, Any]:
    """Dequantise every tensor under its transformers name; complete, or UnsupportedModel."""
    import numpy as np
    import torch
    from gguf import dequantize
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

    kept = {"F16": torch.float16, "BF16": torch.bfloat16}
    architecture = _field(reader, "general.architecture")
    # llama.cpp permutes the rows of some matrices; transformers' processors undo it.
    processor = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=model.config.to_dict())
    names = _tensor_names(architecture, model)
    tensors: dict[str, Any] = {}
    for done, tensor in enumerate(reader.tensors, start=1):
        if tensor.name in names:
            weights = processor.process(
                weights=dequantize(tensor.data, tensor.tensor_type),
                name=tensor.name,
                tensor_key_mapping=names,
                parsed_parameters={"tensors": {}},
            ).weights
            value = torch.from_numpy(np.array(weights))
            tensors[names[tensor.name]] = value.to(kept.get(tensor.tensor_type.name, value.dtype))
        progress(f"converting {architecture} weights", done, len(reader.tensors))
    for name, weight in model.named_parameters():
        if name not in tensors or tensors[name].shape != weight.shape:
            found = list(tensors[name].shape) if name in tensors else "nothing"
            raise UnsupportedModel(f"the GGUF file has {found} for {name}, expected {list(weight.shape)}")
    return tensors


def _tensor_names(architecture: str, model: Any) -> dict[str, str]:
    """GGUF's name of each parameter → transformers' name."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    known = {name: arch for arch, name in MODEL_ARCH_NAMES.items()}
    table = get_tensor_name_map(known[architecture], model.config.num_hidden_layers)
    found = {
        table.get_name(name, try_suffixes=(".weight", ".bias")): name for name, _ in model.named_parameters()
    }
    return {gguf_name: name for gguf_name, name in found.items() if gguf_name is not None}


def _field(reader: Any, name: str) -> Any:
    field = reader.get_field(name)
    if field is None:
        raise UnsupportedModel(f"the GGUF file lacks the field {name}; convert it anew with its tokenizer")
    return field.contents()


def _tokenizer(reader: Any, gguf: Path) -> Any:
    """The file's tokenizer.

    For SmolLM's pre-tokenizer (every digit a token, then GPT-2's pattern) it is built here: transformers
    knows only GPT-2's pattern for such a file, and would give numbers other tokens than the model was
    trained on.
    """
    if reader.get_field("tokenizer.ggml.pre") is None or _field(reader, "tokenizer.ggml.pre") != "smollm":
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)

    from gguf import TokenType
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens: list[str] = _field(reader, "tokenizer.ggml.tokens")
    types: list[int] = _field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in _field(reader, "tokenizer.ggml.merges")]
    backend = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types, strict=True) if kind == TokenType.CONTROL]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])

    def named(role: str) -> str:
        token: int = _field(reader, f"tokenizer.ggml.{role}_token_id")
        return tokens[token]

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=named("bos"),
        eos_token=named("eos"),
        unk_token=named("unknown"),
        pad_token=named("padding"),
        model_max_length=_field(reader, f"{_field(reader, 'general.architecture')}.context_length"),
    )
    tokenizer.chat_template = _field(reader, "tokenizer.chat_template")
    return tokenizer
