"""The key-value cache of every row and every kept prefix: one preallocated arena, handed out in blocks.

A block is a power of two of tokens, aligned to its size (a buddy allocator: Knowlton 1965), so that rows of
similar length lie side by side and one attention call reads them all in place. Nothing is copied when rows
come and go, and memory is bounded whatever runs.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

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
    """Each layer's keys and values [tokens · kv_heads, head_dim], in blocks of [kv_heads, capacity, …].

    `shapes` are kv_heads and head_dim of each layer. `tokens` is rounded up to a power of two.
    Keys of `group` tokens lie in one another, so that a copy takes whole groups. On a processor
    the memory is taken from the system only as it is first written.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        tokens: int,
        dtype: torch.dtype,
        device: torch.device,
        group: int = 1,
    ) -> None:
        self._group = group
        self.tokens = _power_of_two(max(tokens, MIN_BLOCK))
        sizes = [self.tokens * kv_heads * head_dim for kv_heads, head_dim in shapes]
        self.arena_keys, self.arena_values = (_zeros(sum(sizes), dtype, device) for _ in range(2))
        self.keys, self.values = (
            [part.view(-1, dim) for part, (_, dim) in zip(torch.split(arena, sizes), shapes, strict=True)]
            for arena in (self.arena_keys, self.arena_values)
        )
        self.token_bytes = sum(each.nbytes for each in (*self.keys, *self.values)) // self.tokens
        """What a token takes in all layers."""
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
            self.clear(block)
        size, start = block.capacity, block.start
        self.used -= size
        while (buddy := start ^ size) in self._free.get(size, ()):
            self._free[size].remove(buddy)
            start, size = min(start, buddy), size * 2
        self._free.setdefault(size, set()).add(start)

    def clear(self, block: Block, first: int = 0) -> None:
        """Set to zero what a block holds of tokens from place `first` on, or from the next whole group on."""
        first = -(-first // self._group) * self._group
        for cache in (*self.keys, *self.values):
            self.view(cache, block, 1, block.capacity)[:, :, first:].zero_()

    def copy(self, source: Block, target: Block, tokens: int, n_layers: int) -> None:
        """Copy the first `tokens` tokens of the first `n_layers` layers from one block to another."""
        tokens = -(-tokens // self._group) * self._group
        for layers in (self.keys[:n_layers], self.values[:n_layers]):
            for _, alike in groupby(layers, key=lambda layer: layer.shape):
                several = list(alike)
                self._across(several, target, tokens).copy_(self._across(several, source, tokens))

    def slots(self, blocks: Sequence[Block], positions: Sequence[int], kv_heads: int) -> Tensor:
        """Where in a layer the keys of tokens at `positions` of `blocks` lie, [tokens · kv_heads]."""
        of_block = torch.tensor([(block.start * kv_heads, block.capacity) for block in blocks])
        first = of_block[:, 0] + torch.tensor(positions)
        return (first.unsqueeze(1) + of_block[:, 1:] * torch.arange(kv_heads)).flatten()

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Store keys and values [tokens, kv_heads, head_dim] at `slots`."""
        for cache, made in ((self.keys[layer], keys), (self.values[layer], values)):
            cache.index_copy_(0, slots, made.reshape(-1, cache.shape[1]))

    def view(self, cache: Tensor, first: Block, count: int, tokens: int) -> Tensor:
        """The first `tokens` tokens of `count` neighbouring blocks, [count, kv_heads, tokens, head_dim]."""
        kv_heads, dim, size = len(cache) // self.tokens, cache.shape[1], first.capacity
        return cache.as_strided(
            (count, kv_heads, tokens, dim),
            (kv_heads * size * dim, size * dim, dim, 1),
            cache.storage_offset() + first.start * kv_heads * dim,
        )

    def _across(self, alike: Sequence[Tensor], block: Block, tokens: int) -> Tensor:
        """The first tokens of a block in neighbouring layers, [layers, kv_heads, tokens, head_dim]."""
        first = self.view(alike[0], block, 1, tokens)
        shape, strides = first.shape[1:], first.stride()[1:]
        return first.as_strided((len(alike), *shape), (alike[0].numel(), *strides), first.storage_offset())


def _zeros(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros that the system provides page by page, when they are first used; torch writes its own at once.

    numpy's come in pages of 2 MiB, several of which each layer of a first row touches: a quarter of a second.
    """
    if device.type != "cpu":
        return torch.zeros(size, dtype=dtype, device=device)
    return torch.frombuffer(mmap.mmap(-1, size * dtype.itemsize, access=mmap.ACCESS_COPY), dtype=dtype)


def _power_of_two(tokens: int) -> int:
    return 1 << (tokens - 1).bit_length()
