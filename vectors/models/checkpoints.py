"""Model folders: what makes one complete, what identifies it, and loading it quickly.

A folder holds config.json, tokenizer.json and weights as safetensors. Nothing else is loaded: no pickle, no
code that comes with a model.
"""

import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vectors.errors import ModelUnavailable, UnsupportedModel

if TYPE_CHECKING:
    import torch
    from torch import nn

    from vectors.models.tokenizer import Tokenizer

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_SAMPLES, _SAMPLE_BYTES = 64, 4096
SOURCE_FILE = "source.json"
"""Written into a folder that was made of a GGUF file: the file's sha256. What is ours may hold more files."""


def missing_from(folder: Path) -> list[str]:
    """Name the files that `folder` lacks for a causal language model; empty if it is complete."""
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if (folder / _INDEX).is_file():
        return missing + [path.name for path in _weight_files(folder) if not path.is_file()]
    return missing if (folder / _WEIGHTS).is_file() else [*missing, _WEIGHTS]


def incomplete(folder: Path, missing: list[str]) -> str:
    """Say in one line what a folder lacks."""
    return (
        f"{folder} is not a complete model: {', '.join(missing)} missing; expected config.json, "
        "tokenizer.json and safetensors weights"
    )


def digest_of(folder: Path) -> str:
    """Identify a model: sha256 over its config and, for each file of weights, name, size, header and samples.

    The header lists every tensor with type and shape; the samples are 64 stretches of 4 KiB spread evenly
    over the values. So another model, another training run or another precision differ, while hundreds of
    megabytes need not be read at each start. A change of a few single values can go unseen.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in _weight_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            header = 8 + int.from_bytes(file.read(8), "little")
            for sample in range(_SAMPLES):
                file.seek(header + (size - header) * sample // _SAMPLES)
                digest.update(file.read(_SAMPLE_BYTES))
            file.seek(0)
            digest.update(file.read(min(header, size)))
    return digest.hexdigest()


def _weight_files(folder: Path) -> list[Path]:
    if not (folder / _INDEX).is_file():
        return [folder / _WEIGHTS]
    index = json.loads((folder / _INDEX).read_text())
    # A name with a folder in it would leave the root; safetensors indexes hold bare names.
    return [folder / Path(name).name for name in sorted(set(index["weight_map"].values()))]


def load(folder: Path, dtype: "torch.dtype", device: str) -> "tuple[nn.Module, Tokenizer]":
    """Load (model, tokenizer) from a folder.

    A model of the Llama family is built here (`vectors.models.llama`), any other by transformers, of which
    the concrete class is imported instead of its Auto classes. Raises ModelUnavailable for an incomplete
    folder, UnsupportedModel for an architecture that is no causal language model known to transformers, for
    weights that do not fit it, and for quantised ones other than GGUF's.
    """
    if missing := missing_from(folder):
        raise ModelUnavailable(incomplete(folder, missing))
    from safetensors import SafetensorError

    from vectors.models.llama import build
    from vectors.models.llama_config import LlamaConfig
    from vectors.models.tokenizer import Tokenizer

    model: nn.Module
    try:
        written = json.loads((folder / "config.json").read_text())
        if quantised := written.get("quantization_config"):
            raise UnsupportedModel(
                f"{folder.name} holds weights quantised by {_method(quantised)}, which are not read: "
                "use the model's unquantised weights, or a GGUF file"
            )
        config = LlamaConfig.of(written)
        if config:
            model = build(config, folder, _narrowed(folder, dtype) or _as_written(folder), dtype)
        else:
            model = _by_transformers(folder, dtype)
        tokenizer = Tokenizer.read(folder) or Tokenizer.by_transformers(folder)
    except UnsupportedModel:
        raise
    except (ImportError, OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnsupportedModel(f"{folder.name} cannot be loaded: {reason}; fetch the model again") from error
    return model.to(device).eval().requires_grad_(False), tokenizer


def _method(quantised: object) -> str:
    named = quantised.get("quant_method") if isinstance(quantised, dict) else None
    return repr(named)[:40] if named else "a method that is not named"


def _by_transformers(folder: Path, dtype: "torch.dtype") -> "nn.Module":
    import transformers

    architectures = json.loads((folder / "config.json").read_text()).get("architectures")
    with _without_detectors():
        model_class = getattr(transformers, (architectures or ["none"])[0], None)
    if not (isinstance(model_class, type) and hasattr(model_class, "generate")):
        raise UnsupportedModel(
            f"{folder.name} is of the architecture {architectures}, expected a causal language model "
            f"that transformers {transformers.__version__} knows"
        )
    transformers.utils.logging.disable_progress_bar()
    own = {"local_files_only": True, "trust_remote_code": False}
    model: nn.Module
    tensors = None if _kept_wide(model_class) else _narrowed(folder, dtype)
    if tensors is None:
        model = model_class.from_pretrained(folder, dtype=dtype, use_safetensors=True, **own)  # type: ignore[attr-defined]
        return model
    config = model_class.config_class.from_pretrained(folder, **own)  # type: ignore[attr-defined]
    model = model_class.from_pretrained(None, config=config, state_dict=tensors, dtype=dtype)  # type: ignore[attr-defined]
    model.config._name_or_path = str(folder)  # type: ignore[union-attr]  # as if it had been read from there
    if (folder / "generation_config.json").is_file():
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder, **own)
    return model


def _narrowed(folder: Path, dtype: "torch.dtype") -> "dict[str, torch.Tensor] | None":
    """The weights where they take fewer bits than in their files; what is made of our own folder is kept."""
    from vectors.models.streaming import narrowed

    ours = (folder / SOURCE_FILE).is_file()
    kept = folder / f"model.{str(dtype).removeprefix('torch.')}.safetensors" if ours else None
    return narrowed(_weight_files(folder), dtype, kept)


def _as_written(folder: Path) -> "dict[str, torch.Tensor]":
    from safetensors.torch import load_file

    return {name: tensor for path in _weight_files(folder) for name, tensor in load_file(path).items()}


@contextmanager
def _without_detectors() -> Iterator[None]:
    """The losses of transformers' object detectors import scipy's optimisers, for 0.4 s and 40 MB."""
    from transformers import utils

    known = utils.is_scipy_available
    utils.is_scipy_available = lambda: False
    try:
        yield
    finally:
        utils.is_scipy_available = known


def _kept_wide(model_class: type) -> bool:
    """Whether some weights of a class stay in float32 whatever its dtype."""
    names = ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
    return any(getattr(model_class, name, None) for name in names)


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Importing torch and transformers makes objects by the hundred thousand, none of them garbage.

    Looking for garbage among them takes a quarter of the time (measured: 3.7 s with, 2.8 s without), and so
    it does at exit; they are set aside for good.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
