"""Turns a GGUF file into a folder of safetensors that loads in a fraction of a second ever after.

A file is converted once: every tensor is dequantised to exactly the value that the file's own format defines.
Quantised tensors become float32, because a product of their scales and integers need not be representable in
bfloat16; F16 and BF16 tensors keep their type. transformers' own reading is not used: it leaves out without a
word what it does not know, such as scaled rotary positions, and takes minutes for a large vocabulary.
"""

import hashlib
import json
import math
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from vectors.errors import UnsupportedModel
from vectors.models.checkpoints import SOURCE_FILE, garbage_kept
from vectors.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from vectors.models.gguf_reading import GgufFile
    from vectors.models.gguf_weights import Parameter

_FORMAT = 3
"""Part of what a converted folder is known by: raise it whenever the same file gives another folder."""


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
        with garbage_kept():  # a large vocabulary is hundreds of thousands of objects, none of them garbage
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
    import transformers

    from vectors.models.gguf_config import architecture_of, config_of
    from vectors.models.gguf_reading import GgufFile
    from vectors.models.gguf_tokenizers import tokenizer_of
    from vectors.models.gguf_weights import parameters, values

    progress(f"reading {gguf.name}", 0, 1)
    file = GgufFile.open(gguf)
    fields, (tokenizer, special) = config_of(file), tokenizer_of(file)
    model_class = getattr(transformers, architecture_of(file).model)
    config = model_class.config_class(
        **fields,
        architectures=[model_class.__name__],
        dtype="float32",
        **{f"{role}_token_id": _id(tokenizer, special, f"{role}_token") for role in ("bos", "eos", "pad")},
    )
    with torch.device("meta"):
        model = model_class(config)
    wanted = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    made = parameters(file, wanted)
    config.save_pretrained(folder)
    generation = transformers.GenerationConfig.from_model_config(config)
    generation.eos_token_id = _ends(file)
    generation.save_pretrained(folder)
    _save_tokenizer(file, tokenizer, special, folder)

    def weights() -> Iterator["NDArray[Any]"]:
        for done, parameter in enumerate(made, start=1):
            yield values(file, parameter, fields)
            progress(f"converting {file.architecture} weights", done, len(made))

    _save_weights(folder / "model.safetensors", made, weights())


def _id(tokenizer: "Tokenizer", special: Mapping[str, str], role: str) -> int | None:
    return tokenizer.token_to_id(special[role]) if role in special else None


def _ends(file: "GgufFile") -> list[int] | None:
    """The tokens that end a text, a turn or a message: many files name the first and mean the second."""
    ends = {file.keys.get(f"tokenizer.ggml.{role}_token_id") for role in ("eos", "eot", "eom")}
    return sorted(end for end in ends if end is not None) or None


def _save_tokenizer(
    file: "GgufFile", tokenizer: "Tokenizer", special: Mapping[str, str], folder: Path
) -> None:
    """As transformers saves one, without its classes: importing them takes seconds."""
    tokenizer.save(str(folder / "tokenizer.json"))
    longest = file.keys.get(f"{file.architecture}.context_length")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    if template := file.keys.get("tokenizer.chat_template"):
        (folder / "chat_template.jinja").write_text(template, "utf-8")


def _save_weights(path: Path, made: "list[Parameter]", weights: Iterator["NDArray[Any]"]) -> None:
    """Write safetensors one parameter after another, so that memory holds no more than one of them."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape, dtype, _ in made:
        begin, end = end, end + math.prod(shape) * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # what follows begins at a multiple of eight
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for each in weights:
            out.write(each.data)
    assert path.stat().st_size == 8 + len(text) + end
