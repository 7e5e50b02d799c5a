"""Weights read from safetensors files a piece at a time, in fewer bits than the files hold.

Why it exists: who maps a file of float32 into memory and converts it has the whole file there beside what is
made of it, three times the size of the model.
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_PIECE_BYTES = 4 << 20


class _Entry(NamedTuple):
    """Where a tensor's values lie in its file, from its beginning."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int


def narrowed(paths: list[Path], dtype: torch.dtype) -> dict[str, Tensor] | None:
    """The tensors of `paths` as `dtype`; None where that saves nothing, or files hold more than floats.

    Raises OSError, ValueError and SafetensorError for a file that is damaged.
    """
    listed = [(path, _entries(path)) for path in paths]
    kinds = {entry.dtype for _, entries in listed for entry in (entries or {}).values()}
    whole = all(entries is not None for _, entries in listed)
    if not whole or not any(kind.itemsize > dtype.itemsize for kind in kinds):
        return None
    return {
        name: _read(path, entry, dtype) for path, entries in listed for name, entry in (entries or {}).items()
    }


def _entries(path: Path) -> dict[str, _Entry] | None:
    """What a file holds, by name; None where not all of it are floats."""
    with safe_open(path, "pt"):
        pass  # it refuses a header whose lengths and places do not fit the file
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    if not all(entry["dtype"] in _DTYPES for entry in header.values()):
        return None
    return {
        name: _Entry(_DTYPES[entry["dtype"]], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
        for name, entry in header.items()
    }


def _read(path: Path, entry: _Entry, dtype: torch.dtype) -> Tensor:
    made = torch.empty(entry.shape, dtype=dtype)
    pieces = torch.split(made.view(-1), _PIECE_BYTES // entry.dtype.itemsize)
    values = torch.empty(max(map(len, pieces)) * entry.dtype.itemsize, dtype=torch.uint8)
    with path.open("rb", buffering=0) as file:
        file.seek(entry.begin)
        for piece in pieces:
            part = values[: len(piece) * entry.dtype.itemsize]
            if file.readinto(part.numpy().data) != len(part):
                raise ValueError(f"{path.name} is cut")
            piece.copy_(part.view(entry.dtype))
    return made
