"""Reads a GGUF file: every key with its value, and where every tensor lies.

Why it exists: the reader of the gguf library makes several arrays of every token in a vocabulary, and takes
some 20 seconds for one of 262,144. A file is untrusted: whatever it counts is held against its size before
anything is made of that count. What is quantised is dequantised by the library, to exactly the values that
the format defines.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
from numpy.typing import NDArray

from vectors.errors import UnsupportedModel

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_BLOCKS = 8192
_AS_THEY_ARE = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Kinds of tensors that are values already, and numpy's type for them; it has none for bfloat16."""


class Tensor(NamedTuple):
    """Where a tensor lies, and what it is; `shape` is numpy's, rows first."""

    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    begin: int
    end: int


Fields = dict[str, Any]
"""Fields of a transformers config, by their names there: numbers, texts, and lists and tables of such."""


@dataclass
class GgufFile:
    """An opened file."""

    path: Path
    keys: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> "GgufFile":
        """Read a file's keys and the list of its tensors. Raises UnsupportedModel for one that is damaged."""
        try:
            return _Reader(path).read()
        except (struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UnsupportedModel(f"{path.name} is no GGUF file, or a damaged one: {reason}") from error

    def __getitem__(self, key: str) -> Any:
        """The value of a key that must be there."""
        if key not in self.keys:
            raise UnsupportedModel(f"the GGUF file lacks the key {key}; convert it anew with its tokenizer")
        return self.keys[key]

    @property
    def architecture(self) -> str:
        """What llama.cpp calls the family."""
        return str(self["general.architecture"])

    def dtype(self, name: str) -> str:
        """The type in which a tensor's values are exact: F16, BF16, or else F32."""
        kind = self.tensors[name].kind.name
        return kind if kind in _AS_THEY_ARE else "F32"

    def values(self, name: str) -> NDArray[Any]:
        """A tensor's values in its own `dtype`; bfloat16 as the bits of 16-bit integers."""
        shape, kind, begin, end = self.tensors[name]
        data = np.memmap(self.path, mode="r", offset=begin, shape=(end - begin,))
        if kind.name in _AS_THEY_ARE:
            return data.view(_AS_THEY_ARE[kind.name]).reshape(shape)
        elements, width = GGML_QUANT_SIZES[kind]
        blocks = data.reshape(-1, width)
        found = np.empty((len(blocks), elements), np.float32)
        try:
            for at in range(0, len(blocks), _BLOCKS):  # in one go it would take several times as much memory
                piece = dequantize(blocks[at : at + _BLOCKS].reshape(1, -1), kind)
                found[at : at + _BLOCKS] = piece.reshape(-1, elements)
        except NotImplementedError as error:
            raise UnsupportedModel(f"{name} is of the kind {kind.name}, which is not read") from error
        return found.reshape(shape)


class _Reader:
    """Goes through a file once, from its beginning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = np.memmap(path, mode="r").data
        self._at = 0

    def read(self) -> GgufFile:
        if bytes(self._data[:4]) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self._at = 4
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(f"version {version}, expected 2 or 3 in little-endian order")
        n_tensors, n_keys = self._count(), self._count()
        file = GgufFile(self._path)
        for _ in range(n_keys):
            name = self._string()
            if name in file.keys:
                raise ValueError(f"the key {name} comes twice")
            file.keys[name] = self._value(self._scalar("I"))
        listed = [self._listed() for _ in range(n_tensors)]
        alignment = int(file.keys.get("general.alignment", 32))
        if alignment < 1:
            raise ValueError(f"an alignment of {alignment}")
        data = -(-self._at // alignment) * alignment
        for name, shape, kind, offset in listed:
            block, block_bytes = GGML_QUANT_SIZES[kind]
            elements = int(np.prod([int(each) for each in shape], dtype=object))
            begin = data + offset
            end = begin + elements // block * block_bytes
            if name in file.tensors or shape[-1] % block or end > len(self._data):
                raise ValueError(f"the tensor {name} comes twice, is cut or lies outside the file")
            file.tensors[name] = Tensor(shape, kind, begin, end)
        return file

    def _listed(self) -> tuple[str, tuple[int, ...], GGMLQuantizationType, int]:
        name = self._string()
        dimensions = self._scalar("I")
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise ValueError(f"the tensor {name} has {dimensions} dimensions")
        shape = tuple(self._scalar("Q") for _ in range(dimensions))[::-1]
        if 0 in shape:
            raise ValueError(f"the tensor {name} is empty")
        return name, shape, GGMLQuantizationType(self._scalar("I")), self._scalar("Q")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._scalar(_SCALARS[kind]) if kind in _SCALARS else self._unknown(kind)
        kind = self._scalar("I")
        count = self._count()
        if kind == _STRING:
            return list(self._strings(count))
        if kind not in _SCALARS:
            return self._unknown(kind)
        values = struct.unpack_from(f"<{count}{_SCALARS[kind]}", self._data, self._at)
        self._at += struct.calcsize(f"<{count}{_SCALARS[kind]}")
        return list(values)

    @staticmethod
    def _unknown(kind: int) -> Any:
        raise ValueError(f"a value of the kind {kind}")

    def _count(self) -> int:
        """A number of things that take at least a byte each."""
        count: int = self._scalar("Q")
        if count > len(self._data) - self._at:
            raise ValueError(f"{count} things in what is left of it")
        return count

    def _strings(self, count: int) -> Iterator[str]:
        for _ in range(count):
            yield self._string()

    def _string(self) -> str:
        length = self._count()
        begin, self._at = self._at, self._at + length
        return str(self._data[begin : self._at], "utf-8")

    def _scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self._data, self._at)
        self._at += struct.calcsize(f"<{code}")
        return value
