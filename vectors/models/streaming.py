"""Weights in fewer bits than their safetensors files hold, converted a piece at a time, and once.

Why it exists: who maps a file of float32 into memory and converts it has the whole file there beside what is
made of it, three times the size of the model. What was converted is kept in a file, from which it is mapped:
of a large embedding only the rows that are looked up take memory then.
"""

import json
import math
import mmap
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_PIECE_BYTES = 4 << 20
_mappings: "WeakSet[mmap.mmap]" = WeakSet()
"""Files that are mapped."""


class _Entry(NamedTuple):
    """Where a tensor's values lie in its file, from its beginning."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int


def narrowed(paths: list[Path], dtype: torch.dtype, kept: Path | None = None) -> dict[str, Tensor] | None:
    """The tensors of `paths` as `dtype`; None where that saves nothing, or files hold more than floats.

    They are mapped from the file `kept`, which is made where it is missing or damaged and can be written.
    Raises OSError, ValueError and SafetensorError for a file that is damaged.
    """
    if kept is not None and kept.is_file():
        # One that is damaged, or not for us to read, is made anew.
        with suppress(OSError, ValueError, SafetensorError):
            return _mapped(kept)
    listed = [(path, _entries(path)) for path in paths]
    kinds = {entry.dtype for _, entries in listed for entry in (entries or {}).values()}
    whole = all(entries is not None for _, entries in listed)
    if not whole or not any(kind.itemsize > dtype.itemsize for kind in kinds):
        return None
    read = {
        name: _read(path, entry, dtype) for path, entries in listed for name, entry in (entries or {}).items()
    }
    if kept is None:
        return read
    made = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}.part")
    try:
        for leftover in kept.parent.glob(f"{kept.name}.*.part"):  # of a process that was killed
            leftover.unlink()
        save_file(read, made)
        shutil.copymode(paths[0], made)  # it comes as its maker's alone
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(kept)
        return _mapped(kept)
    except (OSError, SafetensorError):  # a cache that is full or read-only: they are converted again
        with suppress(OSError):
            made.unlink(missing_ok=True)
        return read


def give_back() -> None:
    """Let the system take back what was read of the files that are mapped; it is read again at need."""
    for mapping in list(_mappings):
        if hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def _mapped(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of floats, which nobody may write to."""
    entries = _entries(path)
    if entries is None:
        raise ValueError(f"{path.name} holds more than floats")
    with path.open("rb") as file:
        mapping = mmap.mmap(
            file.fileno(), 0, access=mmap.ACCESS_COPY
        )  # torch takes none that it cannot write
    _mappings.add(mapping)
    return {name: _in(mapping, entry) for name, entry in entries.items()}


def _in(mapping: mmap.mmap, entry: _Entry) -> Tensor:
    count = math.prod(entry.shape)
    if not count:
        return torch.empty(entry.shape, dtype=entry.dtype)
    return torch.frombuffer(mapping, dtype=entry.dtype, count=count, offset=entry.begin).view(entry.shape)


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
