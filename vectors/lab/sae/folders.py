"""Folders as SAELens writes them: `cfg.json`, `sae_weights.safetensors` and `sparsity.safetensors`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vectors.errors import SaeError
from vectors.files import write_atomic
from vectors.lab.sae.architectures import Sae, make

CONFIG, WEIGHTS, SPARSITY = "cfg.json", "sae_weights.safetensors", "sparsity.safetensors"
FORMAT_VERSION = "6.54.12"
"""The version of SAELens that this is the format of."""
_SILENT = 1e-10
"""What SAELens adds to a feature's frequency before it takes the logarithm."""


def read(folder: Path) -> Sae:
    """The autoencoder of a folder; its weights are converted to float32.

    Raises SaeError, in a line that names the folder, for files that are missing or malformed and for an
    autoencoder that cannot be run as it was trained.
    """
    config, tensors = _contents(folder)
    try:
        return make(config, tensors)
    except SaeError as error:
        raise SaeError(f"{folder}: {error}") from error


def write(
    folder: Path,
    config: Mapping[str, object],
    tensors: Mapping[str, Tensor],
    frequencies: Tensor,
    metadata: Mapping[str, object],
) -> None:
    """Write an autoencoder so that SAELens reads it. `cfg.json` comes last: with it the folder is whole.

    `frequencies` [d_sae] are the shares of tokens at which features are active; `config` says what the
    architecture needs beside the shape.
    """
    d_sae, d_in = tensors["W_dec"].shape
    said = {
        **config,
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {**metadata, "sae_lens_version": FORMAT_VERSION},
    }
    write_atomic(folder / WEIGHTS, save(dict(tensors)))
    write_atomic(folder / SPARSITY, save({"sparsity": (frequencies + _SILENT).log10()}))
    write_atomic(folder / CONFIG, json.dumps(said, indent=1).encode())


def config_of(folder: Path) -> dict[str, object]:
    """What `cfg.json` of a folder says. Raises SaeError, in a line that names the folder."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise SaeError(f"{folder}: no {CONFIG} that can be read: {reason}") from error
    if not isinstance(config, dict):
        raise SaeError(f"{folder}: {CONFIG} holds no object")
    return config


def frequencies_of(folder: Path) -> Tensor | None:
    """The shares [d_sae] of tokens at which features were active, where the folder says it."""
    try:
        logarithms = load_file(folder / SPARSITY)["sparsity"]
    except (OSError, SafetensorError, KeyError):
        return None
    return 10 ** logarithms.float() - _SILENT


def alive(folder: Path, rows: Tensor) -> Tensor:
    """Which features [d_sae] may be chosen, whose directions are rows [d_sae, d_model]: those active
    somewhere, or where the folder does not say it those with a direction. Raises SaeError.
    """
    often = frequencies_of(folder)
    if often is not None and len(often) != len(rows):
        raise SaeError(f"{folder}: {SPARSITY} is of {len(often)} features, expected {len(rows)}")
    return rows.norm(dim=1) > 0 if often is None else often > 0


def _contents(folder: Path) -> tuple[dict[str, object], dict[str, Tensor]]:
    config = config_of(folder)
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise SaeError(f"{folder}: no {WEIGHTS} that can be read: {reason}") from error
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise SaeError(f"{folder}: {broken[0]} holds values that are not finite")
    return config, tensors


def layer_of(folder: Path, model_digest: str, n_layers: int, d_model: int) -> int:
    """The block whose residuals an autoencoder reads. Raises SaeError for one of another model or place."""
    config = config_of(folder)
    said = config.get("metadata")
    metadata = said if isinstance(said, dict) else config
    hook = str(metadata.get("hook_name", ""))
    place = re.fullmatch(r"(?:blocks|model\.layers)\.(\d+)(?:\.hook_resid_post)?", hook)
    if place is None:
        raise SaeError(f"{folder} reads {hook or 'no named place'}: expected blocks.N.hook_resid_post")
    digest, layer = metadata.get("model_digest"), int(place[1])
    if digest not in (None, model_digest) or config.get("d_in") != d_model or layer >= n_layers:
        raise SaeError(
            f"{folder} is of block {layer} of {metadata.get('model_name')}, {config.get('d_in')} channels: "
            f"the model that is asked about is another, of {n_layers} blocks and {d_model} channels"
        )
    return layer
