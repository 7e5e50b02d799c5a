"""Reuse of what rows have computed: key-value caches of common prefixes, shared as far as that is exact.

A row's cache depends on its steering only after the block that is steered, and on that of no later token. So
two rows share whole the tokens that were steered alike in both; and any tokens up to the block after which
one of the rows is the first to steer one, from where the second goes on from the residual stream (recorded
before the steering). Rows that are still computing
their prompts are donors too, so that requests which arrive together share.

What is reused tells by its time, and by its count, how far two texts agree. So rows of different owners share
no more than what both say is public.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vectors.engine.kvcache import Block, KeyValueCache
from vectors.steering.row_steering import Touched

MIN_TOKENS = 32
"""Shorter prefixes are not worth their bookkeeping."""
_MAX_KEPT = 64


@dataclass(eq=False)
class Prefix:
    """Tokens whose keys and values lie in a block.

    `touched` is what was done to them by steering. `records` are residual streams of the first
    `recorded` tokens, by layer, in pieces. Rows of others than `owner` may use the first `public` tokens.
    `states` are what layers other than attention remember after all of the tokens: one that has any can be
    used whole, or not at all.
    """

    tokens: NDArray[np.int64]
    owner: str
    public: int
    block: Block
    touched: Touched
    records: dict[int, list[Tensor]]
    recorded: int
    states: Mapping[int, object] = field(default_factory=dict)

    def covers(self, other: "Prefix") -> bool:
        """Whether whatever can use `other` can use this one as well."""
        return (
            self.owner == other.owner
            and self.public >= other.public
            and self.recorded >= other.recorded
            and self.records.keys() >= other.records.keys()
            and (not self.states or len(self.tokens) == len(other.tokens))
            and _shared(self.tokens, other.tokens) == len(other.tokens)
            and _shared(self.touched.marks, other.touched.marks) == len(other.tokens)
        )


class Wanted(NamedTuple):
    """What a row looks for: tokens, steered like that, of its owner; the first `public` may be anybody's.

    After the block `reads_from`, if there is one, they have to be computed anew.
    """

    tokens: NDArray[np.int64]
    touched: Touched
    owner: str
    public: int
    reads_from: int | None = None


class Match(NamedTuple):
    """The first `tokens` tokens of a prefix can be used.

    All of them as they are where `layer` is None, otherwise up to and with that block. `saved` counts tokens
    that need not be computed, weighted by the share of blocks.
    """

    prefix: Prefix
    tokens: int
    layer: int | None
    saved: float


class PrefixStore:
    """The prefixes that are kept where rows leave room; the least recently used goes first."""

    def __init__(self, cache: KeyValueCache, n_layers: int, *, resumable: bool) -> None:
        self._cache, self._n_layers, self._resumable = cache, n_layers, resumable
        self._kept: OrderedDict[Prefix, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def best(self, wanted: Wanted) -> Match | None:
        """The kept prefix that saves most."""
        matches = [self.match(prefix, len(prefix.tokens), wanted) for prefix in self._kept]
        best = max((match for match in matches if match), key=lambda match: match.saved, default=None)
        if best:
            self._kept.move_to_end(best.prefix)
        return best

    def match(self, prefix: Prefix, computed: int, wanted: Wanted) -> Match | None:
        """What a row could use of a prefix once its first `computed` tokens are there."""
        if prefix.owner != wanted.owner:
            computed = min(computed, prefix.public, wanted.public)
        shared = _shared(prefix.tokens[:computed], wanted.tokens)
        if shared < MIN_TOKENS or (prefix.states and shared < len(prefix.tokens)):
            return None
        alike = _shared(prefix.touched.marks[:shared], wanted.touched.marks)
        whole = None
        if wanted.reads_from is None and alike >= (len(prefix.tokens) if prefix.states else MIN_TOKENS):
            whole = Match(prefix, alike, None, float(alike))
        shared = min(shared, prefix.recorded)
        if not self._resumable or alike == shared or shared < MIN_TOKENS:
            return whole
        lowest = int(min(prefix.touched.lowest[shared - 1], wanted.touched.lowest[shared - 1]))
        if wanted.reads_from is not None:
            lowest = min(lowest, wanted.reads_from)
        if not (layers := [layer for layer in prefix.records if layer <= lowest]):
            return whole
        layer = max(layers)
        part = Match(prefix, shared, layer, shared * (layer + 1) / self._n_layers)
        return part if whole is None or part.saved > whole.saved else whole

    def keep(self, prefix: Prefix) -> None:
        """Keep what a row leaves behind, unless it is there already; its block is the store's from now on."""
        for other in list(self._kept):
            if other.covers(prefix):
                self._kept.move_to_end(other)
                self._cache.free(prefix.block)
                return
            if prefix.covers(other):
                self._drop(other)
        self._kept[prefix] = None
        if len(self._kept) > _MAX_KEPT:
            self.evict()

    def evict(self) -> bool:
        """Drop the prefix that was not used for longest; False where there is none."""
        if not self._kept:
            return False
        self._drop(next(iter(self._kept)))
        return True

    def _drop(self, prefix: Prefix) -> None:
        del self._kept[prefix]
        self._cache.free(prefix.block)


def _shared(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """How many tokens both begin with."""
    n = min(len(left), len(right))
    different = np.flatnonzero(left[:n] != right[:n])
    return int(different[0]) if len(different) else n
