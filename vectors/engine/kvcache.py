"""The key-value cache of every row and every kept prefix: one preallocated arena, handed out in blocks.

A block is a power of two of tokens, aligned to its size (a buddy allocator: Knowlton 1965), so that rows of
similar length lie side by side and one attention call reads them all in place. Nothing is copied when rows
come and go, and memory is bounded whatever runs.
"""

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_BLOCK = 64
"""Tokens of the smallest block."""


@dataclass(frozen=True, order=True)
class Block:
    """A run of tokens of the arena, held by one row or one prefix."""

    capacity: int
    start: int


class KeyValueCache:
    """Keys and values [n_layers, tokens · kv_heads, head_dim], in blocks laid out as [kv_heads, capacity, …].

    `tokens` is rounded up to a power of two. On a processor the memory is taken from the system only as it is
    first written.
    """

    def __init__(
        self,
        n_layers: int,
        kv_heads: int,
        head_dim: int,
        tokens: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.kv_heads, self.head_dim = kv_heads, head_dim
        self.tokens = _power_of_two(max(tokens, MIN_BLOCK))
        shape = (n_layers, self.tokens * kv_heads, head_dim)
        self._keys, self._values = _zeros(shape, dtype, device), _zeros(shape, dtype, device)
        self.keys = list(self._keys.unbind(0))
        self.values = list(self._values.unbind(0))
        self._free: dict[int, set[int]] = {self.tokens: {0}}
        self.used = 0

    def allocate(self, tokens: int) -> Block | None:
        """The lowest free block for `tokens` tokens, or None where there is no room."""
        wanted = _power_of_two(max(tokens, MIN_BLOCK))
        sizes = [size for size, starts in self._free.items() if starts and size >= wanted]
        if not sizes:
            return None
        size = min(sizes)
        start = min(self._free[size])
        self._free[size].remove(start)
        while size > wanted:
            size //= 2
            self._free.setdefault(size, set()).add(start + size)
        self.used += wanted
        return Block(wanted, start)

    def free(self, block: Block, *, clear: bool = False) -> None:
        """Give a block back; its contents may be overwritten from now on.

        `clear` it if what it holds may not be finite: attention reads past a row's end, and a mask does not
        hide that from it.
        """
        if clear:
            for cache in (self._keys, self._values):
                self._block(cache, block).zero_()
        size, start = block.capacity, block.start
        self.used -= size
        while (buddy := start ^ size) in self._free.get(size, ()):
            self._free[size].remove(buddy)
            start, size = min(start, buddy), size * 2
        self._free.setdefault(size, set()).add(start)

    def copy(self, source: Block, target: Block, tokens: int, n_layers: int) -> None:
        """Copy the first `tokens` tokens of the first `n_layers` layers from one block to another."""
        for cache in (self._keys, self._values):
            into = self._block(cache, target)[:n_layers, :, :tokens]
            into.copy_(self._block(cache, source)[:n_layers, :, :tokens])

    def slots(self, blocks: Sequence[Block], positions: Sequence[int]) -> Tensor:
        """Where in a layer the keys of tokens at `positions` of `blocks` lie, [tokens · kv_heads]."""
        of_block = torch.tensor([(block.start * self.kv_heads, block.capacity) for block in blocks])
        first = of_block[:, 0] + torch.tensor(positions)
        heads = torch.arange(self.kv_heads)
        return (first.unsqueeze(1) + of_block[:, 1:] * heads).flatten()

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Store keys and values [tokens, kv_heads, head_dim] at `slots`."""
        self.keys[layer].index_copy_(0, slots, keys.reshape(-1, self.head_dim))
        self.values[layer].index_copy_(0, slots, values.reshape(-1, self.head_dim))

    def view(self, cache: Tensor, first: Block, count: int, tokens: int) -> Tensor:
        """The first `tokens` tokens of `count` neighbouring blocks, [count, kv_heads, tokens, head_dim]."""
        size, dim = first.capacity, self.head_dim
        return cache.as_strided(
            (count, self.kv_heads, tokens, dim),
            (self.kv_heads * size * dim, size * dim, dim, 1),
            cache.storage_offset() + first.start * self.kv_heads * dim,
        )

    def _block(self, cache: Tensor, block: Block) -> Tensor:
        """[n_layers, kv_heads, capacity, head_dim]"""
        rows = slice(block.start * self.kv_heads, (block.start + block.capacity) * self.kv_heads)
        return cache[:, rows].view(len(cache), self.kv_heads, block.capacity, self.head_dim)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros that the system provides page by page, when they are first used; torch writes its own at once.

    numpy's come in pages of 2 MiB, several of which each layer of a first row touches: a quarter of a second.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, access=mmap.ACCESS_COPY)
    return torch.frombuffer(memory, dtype=dtype).view(shape)


def _power_of_two(tokens: int) -> int:
    return 1 << (tokens - 1).bit_length()
