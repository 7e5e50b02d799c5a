"""Edits of low rank from a safetensors file, under the names that pyreft's LoReFT has for their parts.

`rotate_layer` [d_model, rank] with orthonormal columns, `weight` [rank, d_model] and `bias` [rank]; the
file's metadata may say the `layer` that the edit was learned at. (pyreft keeps the same names in a pickle,
which is not read: it could run anything.)
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vectors.errors import VectorFileError
from vectors.operations import low_rank

_PARTS = {"rotate_layer", "weight", "bias"}
_MOST_BYTES = 64 << 20
_ORTHONORMAL = 1e-2


def read(path: Path, d_model: int) -> tuple[Tensor, int | None]:
    """The edit as the operation's vector, and its layer where the file says one. Raises VectorFileError."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise VectorFileError(f"{path.name} has more than {_MOST_BYTES:,} bytes: no edit of low rank has")
        with safe_open(path, framework="pt") as file:
            names, metadata = {*file.keys()}, file.metadata() or {}
            if names != _PARTS:
                raise VectorFileError(
                    f"{path.name} holds {', '.join(sorted(names)[:4])}, expected {', '.join(sorted(_PARTS))}"
                )
            rotation, weight, bias = (file.get_tensor(name) for name in ("rotate_layer", "weight", "bias"))
    except OSError as error:
        raise VectorFileError(f"{path.name} cannot be read: {error.strerror}") from error
    except SafetensorError as error:
        raise VectorFileError(f"{path.name} is no safetensors file: {error}") from error
    if rotation.ndim != 2 or len(rotation) != d_model:
        raise VectorFileError(
            f"{path.name}: rotate_layer is {list(rotation.shape)}, expected [{d_model}, rank]"
        )
    rotation = rotation.float()
    if not float((rotation.T @ rotation - torch.eye(rotation.shape[1])).abs().max()) < _ORTHONORMAL:
        raise VectorFileError(f"{path.name}: rotate_layer has columns that are not orthonormal, no LoReFT")
    layer = metadata.get("layer", "")
    return low_rank.packed(rotation.T, weight, bias), int(layer) if layer.isdecimal() else None
