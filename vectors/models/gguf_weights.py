"""The tensors of a GGUF file → the parameters of a transformers model, by the table of `gguf_keys`.

Every tensor of the file becomes a parameter, or part of one, and every parameter is made of them, or the file
is refused by the name of what is left over.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vectors.errors import UnsupportedModel
from vectors.models.gguf_config import architecture_of
from vectors.models.gguf_keys import Architecture
from vectors.models.gguf_reading import Fields, GgufFile
from vectors.models.gguf_rotary import TABLES

_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")
_SUFFIX = re.compile(r"(.+?)(\.weight|\.bias)?")


class Parameter(NamedTuple):
    """A parameter, and the tensors that it is made of, in the order in which they are joined."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    tensors: tuple[str, ...]


def parameters(file: GgufFile, wanted: Mapping[str, tuple[int, ...]]) -> list[Parameter]:
    """Say what each of the `wanted`, by name with its shape, is made of. Raises UnsupportedModel."""
    architecture = architecture_of(file)
    made: dict[str, list[tuple[int, str]]] = {}
    for tensor in file.tensors:
        if tensor in TABLES:
            continue
        order, name = _named(tensor, architecture, wanted)
        made.setdefault(name, []).append((order, tensor))
    if lacking := [name for name in wanted if name not in made]:
        raise UnsupportedModel(f"the GGUF file has nothing for {lacking[0]} of {architecture.model}")
    found = []
    for name, shape in wanted.items():
        tensors = tuple(tensor for _, tensor in sorted(made[name]))
        if (has := _joined([file.tensors[tensor].shape for tensor in tensors], architecture, tensors)) != (
            wants := _plain(shape)
        ):
            raise UnsupportedModel(f"the GGUF file has {list(has)} for {name}, expected {list(wants)}")
        kinds = {file.dtype(tensor) for tensor in tensors}
        changed = architecture.minus_one and tensors[0].endswith("norm.weight")
        found.append(
            Parameter(name, shape, kinds.pop() if len(kinds) == 1 and not changed else "F32", tensors)
        )
    return found


def values(file: GgufFile, parameter: Parameter, config: Fields) -> NDArray[Any]:
    """A parameter's values in its own dtype; bfloat16 as the bits of 16-bit integers."""
    architecture = architecture_of(file)
    parts = [_values(file, tensor, parameter.dtype, architecture, config) for tensor in parameter.tensors]
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return np.ascontiguousarray(joined).reshape(parameter.shape)


def _values(
    file: GgufFile, tensor: str, dtype: str, architecture: Architecture, config: Fields
) -> NDArray[Any]:
    found = file.values(tensor)
    if dtype == "F32":
        bits = file.dtype(tensor) == "BF16"
        found = (found.astype("<u4") << 16).view("<f4") if bits else found.astype("<f4", copy=False)
    base = _base(tensor)
    if architecture.permuted and base in ("attn_q", "attn_k"):
        heads = config["num_attention_heads" if base == "attn_q" else "num_key_value_heads"]
        rows = found.reshape(heads, found.shape[0] // heads // 2, 2, *found.shape[1:])
        found = rows.swapaxes(1, 2).reshape(found.shape)
    if architecture.minus_one and tensor.endswith("norm.weight"):
        found = found - np.float32(1)
    return found.T if base in architecture.transposed else found


def _named(tensor: str, architecture: Architecture, wanted: Iterable[str]) -> tuple[int, str]:
    """A tensor's place among those of its parameter, and the parameter's name."""
    if (suffixed := _SUFFIX.fullmatch(tensor)) is None:
        raise UnsupportedModel(f"the GGUF file has a tensor called {tensor[:60]!r}")
    base, suffix = suffixed[1], suffixed[2] or ""
    table: Mapping[str, str] = architecture.others
    before = ""
    if block := _BLOCK.fullmatch(base):
        table, base, before = architecture.blocks, block[2], f"{architecture.layers}.{int(block[1])}."
    if base in table:
        for name in (f"{before}{table[base]}{suffix}", f"{before}{table[base]}"):
            if name in wanted:
                return list(table).index(base), name
    raise UnsupportedModel(
        f"the GGUF file has the tensor {tensor}, for which {architecture.model} has no parameter: leaving it "
        "out would change what the model computes"
    )


def _base(tensor: str) -> str:
    return tensor.removesuffix(".weight").rpartition(".")[2]


def _joined(
    shapes: list[tuple[int, ...]], architecture: Architecture, tensors: tuple[str, ...]
) -> tuple[int, ...]:
    first = shapes[0][::-1] if _base(tensors[0]) in architecture.transposed else shapes[0]
    if len(shapes) == 1:
        return _plain(first)
    if any(len(shape) < 2 or shape[:1] + shape[2:] != first[:1] + first[2:] for shape in shapes):
        return ()
    return _plain((first[0], sum(shape[1] for shape in shapes), *first[2:]))


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the dimensions of one, which llama.cpp leaves out."""
    return tuple(size for size in shape if size != 1)
