"""A model's weights as bytes on disk: made once, and mapped from then on.

Why it exists: to see what evens the inputs out and to round all weights takes seconds, and gives the same
each time. What is mapped is held once by all processes that run the model, and of its float weights nothing
is read then but those rows of the embedding that are looked up.
"""

import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from vectors.engine.int8.smoothing import sample, smoothing_of
from vectors.engine.int8.weights import ByteWeights
from vectors.engine.memory import trim
from vectors.engine.rehearsal import Rehearsal
from vectors.models.tokenizer import Tokenizer
from vectors.threads import compute_alone, in_own_thread

_DECIDING = ("packed.py", "products.py", "sample.json", "smoothing.py", "weights.py")
"""The files beside this one that decide what is kept."""
_log = logging.getLogger(__name__)


class Packed(NamedTuple):
    """All that products read: of the blocks, and of the output head."""

    blocks: ByteWeights
    head: ByteWeights


def packed(model: nn.Module, tokenizer: Tokenizer, kept: Path | None) -> Packed:
    """The weights as bytes: mapped from below `kept`, a folder of this very model, or made and kept there.

    The bits are the same. Where the folder cannot be written, a line in the log says so. Raises
    UnsupportedModel for a model whose own numbers are not finite.
    """
    ids = sample(tokenizer)
    if kept is None:
        return _made(model, ids)
    folder = kept / _key(ids)
    if (found := _mapped(folder)) is not None:
        return found
    made = _made(model, ids)
    try:
        _write(made, folder)
    except OSError as error:
        _log.warning("the weights as bytes are not kept, and made again at the next start: %s", error)
        return made
    return _mapped(folder) or made


def _key(ids: Sequence[Sequence[int]]) -> str:
    """Of what decides the bytes beside the model itself: these very modules, and what is shown to it."""
    sources = [Path(__file__).with_name(name).read_bytes() for name in _DECIDING]
    shown = f"{torch.__version__} {ids}".encode()
    return hashlib.sha256(b"\0".join([*sources, shown])).hexdigest()[:16]


def _made(model: nn.Module, ids: Sequence[Sequence[int]]) -> Packed:
    def made() -> Packed:
        compute_alone()  # how threads share a sum changes its last bits, and may change what the sample shows
        smoothing = smoothing_of(model, ids)
        return Packed(ByteWeights.of_blocks(model, smoothing), ByteWeights.of_head(model, smoothing))

    in_own_thread(Rehearsal, model)
    found = in_own_thread(made)
    trim()  # of the float weights, and of copies
    return found


def _write(weights: Packed, folder: Path) -> None:
    """Write a folder that appears whole or not at all, in the place of a damaged one."""
    scratch = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}.part")
    try:
        scratch.mkdir(parents=True)
        for part, of in weights._asdict().items():
            for name, array in of._asdict().items():
                with (scratch / f"{part}.{name}.npy").open("xb") as file:
                    np.save(file, array, allow_pickle=False)
                    file.flush()
                    os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _mapped(folder: Path) -> Packed | None:
    """What a folder holds, read-only; numpy begins an array's values at a multiple of 64 bytes, as products
    need it. None where there is none, or a damaged one.
    """
    if not folder.exists():
        return None
    try:
        return Packed(*(_part(folder, part) for part in Packed._fields))
    except (OSError, ValueError, EOFError) as error:
        _log.warning("%s is damaged, and made anew: %s", folder, error)
        return None


def _part(folder: Path, part: str) -> ByteWeights:
    names = (f"{part}.{name}.npy" for name in ByteWeights._fields)
    return ByteWeights(*(np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in names))
