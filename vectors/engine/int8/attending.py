"""Attention of every row to its own past, each by the same steps whether it comes alone or with others.

Four queries go together that share a key head: those of one token, or of neighbouring tokens of one row. Each
is computed from its own numbers in one order, so that it does not matter which they are.
"""

import numpy as np

from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.lanes import exp, keep, no_reals, plus_times
from vectors.engine.int8.rows import Floats, Numbers

GROUP = 16
"""Keys that lie together, and are compared with a query at once; two groups are taken after one another."""
_ONE = np.float32(1)


@kernel
def _weights(scores: Floats, past: int, until: int) -> np.float32:
    """Scores to weights, which are e to the distance from the largest, and 0 from `past` to `until`; returns
    1 over their sum.
    """
    own = scores[:past]
    most = np.float32(-3e38)
    for t in range(past):
        most = max(most, own[t])
    total = np.float32(0)
    for t in range(past):
        own[t] = exp(own[t] - most)
        total += own[t]
    for t in range(past, until):
        scores[t] = np.float32(0)
    return _ONE / total


@kernel
def attend(
    qkv: Floats, heads: int, kv_heads: int, dim: int, positions: Numbers, starts: Numbers, sizes: Numbers,
    me: int, threads: int, rows: int, keys: Floats, values: Floats, scores: Floats, longest: int,
    seen: Floats,
) -> None:  # fmt: skip
    """Attend from each row's queries to its own past.

    `scores` has room for four times `longest` numbers, a multiple of 2 · GROUP that no past is longer than.
    """
    share, width = heads // kv_heads, (heads + 2 * kv_heads) * dim
    first = task = 0
    while first < rows:
        last = first + 1
        while last < rows and starts[last] == starts[first] and last - first < 4:
            last += 1
        for head in range(kv_heads):
            task += 1
            if task % threads != me:
                continue
            base = (starts[first] + head * sizes[first]) * dim
            key, value = keys[base:], values[base:]
            for tile in range(0, (last - first) * share, 4):
                end = (last - first) * share - 1
                a, b, c, d = tile, min(tile + 1, end), min(tile + 2, end), min(tile + 3, end)
                ia, ib, ic, id_ = (
                    first + a // share,
                    first + b // share,
                    first + c // share,
                    first + d // share,
                )
                qa = ia * width + (head * share + a % share) * dim
                qb = ib * width + (head * share + b % share) * dim
                qc = ic * width + (head * share + c % share) * dim
                qd = id_ * width + (head * share + d % share) * dim
                until = positions[id_] + 1
                for t in range(0, until, 2 * GROUP):
                    a0, b0, c0, d0 = no_reals(), no_reals(), no_reals(), no_reals()
                    a1, b1, c1, d1 = no_reals(), no_reals(), no_reals(), no_reals()
                    for j in range(dim):
                        k = t * dim + j * GROUP
                        n = k + GROUP * dim
                        a0 = plus_times(a0, qkv, qa + j, key, k)
                        b0 = plus_times(b0, qkv, qb + j, key, k)
                        c0 = plus_times(c0, qkv, qc + j, key, k)
                        d0 = plus_times(d0, qkv, qd + j, key, k)
                        a1 = plus_times(a1, qkv, qa + j, key, n)
                        b1 = plus_times(b1, qkv, qb + j, key, n)
                        c1 = plus_times(c1, qkv, qc + j, key, n)
                        d1 = plus_times(d1, qkv, qd + j, key, n)
                    keep(a0, _ONE, scores, t)
                    keep(b0, _ONE, scores, longest + t)
                    keep(c0, _ONE, scores, 2 * longest + t)
                    keep(d0, _ONE, scores, 3 * longest + t)
                    keep(a1, _ONE, scores, t + GROUP)
                    keep(b1, _ONE, scores, longest + t + GROUP)
                    keep(c1, _ONE, scores, 2 * longest + t + GROUP)
                    keep(d1, _ONE, scores, 3 * longest + t + GROUP)
                fa = _weights(scores, positions[ia] + 1, until)
                fb = _weights(scores[longest:], positions[ib] + 1, until)
                fc = _weights(scores[2 * longest :], positions[ic] + 1, until)
                fd = _weights(scores[3 * longest :], positions[id_] + 1, until)
                oa = (ia * heads + head * share + a % share) * dim
                ob = (ib * heads + head * share + b % share) * dim
                oc = (ic * heads + head * share + c % share) * dim
                od = (id_ * heads + head * share + d % share) * dim
                for j in range(0, dim - GROUP, 2 * GROUP):
                    a0, b0, c0, d0 = no_reals(), no_reals(), no_reals(), no_reals()
                    a1, b1, c1, d1 = no_reals(), no_reals(), no_reals(), no_reals()
                    for t in range(until):
                        v = t * dim + j
                        a0 = plus_times(a0, scores, t, value, v)
                        b0 = plus_times(b0, scores, longest + t, value, v)
                        c0 = plus_times(c0, scores, 2 * longest + t, value, v)
                        d0 = plus_times(d0, scores, 3 * longest + t, value, v)
                        a1 = plus_times(a1, scores, t, value, v + GROUP)
                        b1 = plus_times(b1, scores, longest + t, value, v + GROUP)
                        c1 = plus_times(c1, scores, 2 * longest + t, value, v + GROUP)
                        d1 = plus_times(d1, scores, 3 * longest + t, value, v + GROUP)
                    keep(a0, fa, seen, oa + j)
                    keep(b0, fb, seen, ob + j)
                    keep(c0, fc, seen, oc + j)
                    keep(d0, fd, seen, od + j)
                    keep(a1, fa, seen, oa + j + GROUP)
                    keep(b1, fb, seen, ob + j + GROUP)
                    keep(c1, fc, seen, oc + j + GROUP)
                    keep(d1, fd, seen, od + j + GROUP)
                for j in range(dim - dim % (2 * GROUP), dim, GROUP):
                    a0, b0, c0, d0 = no_reals(), no_reals(), no_reals(), no_reals()
                    for t in range(until):
                        v = t * dim + j
                        a0 = plus_times(a0, scores, t, value, v)
                        b0 = plus_times(b0, scores, longest + t, value, v)
                        c0 = plus_times(c0, scores, 2 * longest + t, value, v)
                        d0 = plus_times(d0, scores, 3 * longest + t, value, v)
                    keep(a0, fa, seen, oa + j)
                    keep(b0, fb, seen, ob + j)
                    keep(c0, fc, seen, oc + j)
                    keep(d0, fd, seen, od + j)
        first = last
