"""Which of the ways to run passes a model gets: the fastest that gives what the model's own forward gives.

A loop of our own for the Llama family, transformers' forward over the rows of a whole batch, transformers'
forward for each row. What a model cannot be run by is told by the ways themselves or shows in a rehearsal.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from vectors.engine.forward_protocol import Forward
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.packing import pack
from vectors.engine.rehearsal import Rehearsal
from vectors.errors import UnsupportedModel
from vectors.files import write_atomic

_log = logging.getLogger(__name__)


_BATCHED = "batched"
_LIBRARIES = ("steered-orchestrator", "torch", "transformers")


@dataclass(frozen=True)
class _Found:
    """The name of a way, and why the faster ones were refused."""

    way: str
    refused: list[str]


def record_of(cache: Path, digest: str, dtype: torch.dtype) -> Path:
    """Where it is kept how a model of that digest is run, by these versions of the libraries."""
    key = "\0".join([digest, str(dtype), *map(version, _LIBRARIES)])
    return cache / "rehearsed" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def packed_of(cache: Path, digest: str) -> Path:
    """Where a model of that digest is kept as bytes (`vectors.engine.int8.packed`)."""
    return cache / "packed" / digest[:32]


def forward_of(model: nn.Module, record: Path | None = None) -> Forward:
    """What runs passes through a model; raises UnsupportedModel where nothing runs them rightly.

    `record` is a file of this very model that keeps what a rehearsal found.
    """
    ways = _ways(model)
    found = _read(record)
    if found is not None and found.way in ways:
        forward = ways[found.way](model)
        if found.way == _BATCHED:
            pack(model)
    else:
        forward, found = _rehearsed(model, ways)
        if record is not None:
            with suppress(OSError):  # a cache that is full or read-only: it is found again
                write_atomic(record, json.dumps(asdict(found)).encode())
    if found.refused:
        _log.warning("%s; each of its rows goes through its own forward, which is slower", found.refused[0])
    return forward


def check(model: nn.Module, record: Path | None = None) -> None:
    """Raise UnsupportedModel where `forward_of` would, and leave the model bare.

    The loop of our own packs what it runs: of its families only their own forward is tried here.
    """
    if _read(record) is not None:
        return
    if LlamaForward.fits(model):
        Rehearsal(model)
        return
    forward, _ = _rehearsed(model, _ways(model), packing=False)
    forward.detach()


def _rehearsed(
    model: nn.Module, ways: Mapping[str, Callable[[nn.Module], Forward]], *, packing: bool = True
) -> tuple[Forward, _Found]:
    rehearsal = Rehearsal(model)
    refused: list[str] = []
    for name, make in ways.items():
        try:
            forward = make(model)
        except UnsupportedModel as error:
            refused.append(str(error))
            continue
        fault = rehearsal.fault(forward)
        if fault is None and name == _BATCHED and packing:
            pack(model)
            fault = rehearsal.fault(forward)
        if fault is None:
            return forward, _Found(name, refused)
        forward.detach()
        refused.append(fault)
    raise UnsupportedModel(
        f"{type(model).__name__} cannot be run rightly: {'; '.join(dict.fromkeys(refused))}"
    )


def _ways(model: nn.Module) -> Mapping[str, Callable[[nn.Module], Forward]]:
    """From the fastest on."""
    if LlamaForward.fits(model):
        return {"loop": LlamaForward}
    # Importing transformers takes seconds.
    from vectors.engine.hf_forward import HFForward
    from vectors.engine.rowwise_forward import RowwiseForward

    return {
        _BATCHED: HFForward,
        "rowwise": partial(RowwiseForward, in_pieces=True),
        "rowwise, told positions": partial(RowwiseForward, in_pieces=True, positions=True),
        "rowwise, prompts whole": partial(RowwiseForward, in_pieces=False),
        "rowwise, all anew": partial(RowwiseForward, in_pieces=False, caching=False),
    }


def _read(record: Path | None) -> _Found | None:
    if record is None:
        return None
    try:
        found = json.loads(record.read_text("utf-8"))
        return _Found(str(found["way"]), [str(reason) for reason in found["refused"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is found again
