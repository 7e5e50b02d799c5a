"""Folders as SAELens writes them: `cfg.json` and `sae_weights.safetensors`."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vectors.errors import SaeError
from vectors.lab.sae.architectures import Sae, make

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"


def read(folder: Path) -> Sae:
    """The autoencoder of a folder; its weights are converted to float32.

    Raises SaeError, in a line that names the folder, for files that are missing or malformed and for an
    autoencoder that cannot be run as it was trained.
    """
    try:
        return make(*_contents(folder))
    except SaeError as error:
        raise SaeError(f"{folder}: {error}") from error


def _contents(folder: Path) -> tuple[dict[str, object], dict[str, Tensor]]:
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise SaeError(f"no {CONFIG} and {WEIGHTS} that can be read: {reason}") from error
    if not isinstance(config, dict):
        raise SaeError(f"{CONFIG} holds no object")
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise SaeError(f"{broken[0]} holds values that are not finite")
    return config, tensors
