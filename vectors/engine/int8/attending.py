"""Attention of every row to its own past, each by the same steps whether it comes alone or with others.

Queries go together that share a key head: those of one token, and of neighbouring tokens of one row. Each
is computed from its own numbers in one order, so that it does not matter which they are. Products are of
bfloat16, their sums and the softmax in float32.
"""

import numpy as np

from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.lanes import (
    LANES,
    all_of,
    exp,
    first_of,
    keep,
    keep_halves,
    larger,
    largest,
    minus,
    plus,
    reals,
    times,
    total,
)
from vectors.engine.int8.rows import Floats, Halves, Numbers
from vectors.engine.int8.tiles import multiply_halves

GROUP = LANES
"""Keys that lie together, and are compared with a query at once; two groups are taken after one another."""
TOGETHER = 8
"""Queries that go together at most."""
_LOWEST = np.float32(-3e38)


@kernel
def _weigh(scores: Floats, at: int, past: int, until: int, weights: Halves) -> np.float32:
    """Scores to weights, which are e to the distance from the largest, rounded, and 0 from `past` to `until`;
    returns 1 over their sum.
    """
    many = all_of(_LOWEST)
    for t in range(0, past, LANES):
        many = larger(first_of(reals(scores, at + t), past - t, _LOWEST), many)
    most, sum_ = all_of(largest(many)), all_of(np.float32(0))
    for t in range(0, until, LANES):
        own = first_of(exp(minus(reals(scores, at + t), most)), past - t, np.float32(0))
        keep_halves(own, weights, at + t)
        sum_ = plus(sum_, own)
    return np.float32(1) / total(sum_)


@kernel
def _attend_tile(
    qkv: Floats, heads: int, share: int, dim: int, width: int, positions: Numbers, first: int, head: int,
    tile: int, end: int, key: Halves, value: Halves, scores: Floats, halves: Halves, longest: int,
    seen: Floats,
) -> None:  # fmt: skip
    """Attend from the queries `tile` … of the tokens from `first` on, of which `end` is the last one's."""
    queries, factors = halves[TOGETHER * longest :], scores[TOGETHER * max(longest, dim) :]
    step, count = 2 * GROUP, TOGETHER if end - tile >= TOGETHER // 2 else TOGETHER // 2
    for r in range(count):
        a = min(tile + r, end)
        q = (first + a // share) * width + (head * share + a % share) * dim
        for j in range(0, dim, LANES):
            keep_halves(reals(qkv, q + j), queries, r * dim + j)
    until = positions[first + min(tile + count - 1, end) // share] + 1
    for t in range(0, until, step):
        k = t * dim
        multiply_halves(count, 2, queries, dim, key, k, GROUP * dim, step, dim // 2, scores, t, longest)
    for r in range(count):
        past = positions[first + min(tile + r, end) // share] + 1
        factors[r] = _weigh(scores, r * longest, past, until, halves)
    pairs = (until + 1) // 2
    for j in range(0, dim, step):
        columns = min((dim - j) // LANES, 2)
        multiply_halves(count, columns, halves, longest, value, 2 * j, step, 2 * dim, pairs, scores, j, dim)
    for r in range(count):
        a = min(tile + r, end)
        o = ((first + a // share) * heads + head * share + a % share) * dim
        for j in range(0, dim, LANES):
            keep(times(reals(scores, r * dim + j), all_of(factors[r])), seen, o + j)


@kernel
def attend(
    qkv: Floats, heads: int, kv_heads: int, dim: int, positions: Numbers, starts: Numbers, sizes: Numbers,
    me: int, threads: int, rows: int, keys: Halves, values: Halves, scores: Floats, halves: Halves,
    longest: int, seen: Floats,
) -> None:  # fmt: skip
    """Attend from each row's queries to its own past.

    No past is longer than `longest`, a multiple of 2 · GROUP. `scores` and `halves` have room for
    TOGETHER · (longest + dim) numbers.
    """
    share, width = heads // kv_heads, (heads + 2 * kv_heads) * dim
    first = task = 0
    while first < rows:
        last = first + 1
        while last < rows and starts[last] == starts[first] and last - first < TOGETHER:
            last += 1
        end = (last - first) * share - 1
        for head in range(kv_heads):
            task += 1
            if task % threads != me:
                continue
            base = (starts[first] + head * sizes[first]) * dim
            for tile in range(0, end + 1, TOGETHER):
                _attend_tile(
                    qkv, heads, share, dim, width, positions, first, head, tile, end, keys[base:],
                    values[base:], scores, halves, longest, seen,
                )  # fmt: skip
        first = last
