"""Attention of every row to its own past, each by the same steps whether it comes alone or with others.

Four queries go together that share a key head: those of one token, or of neighbouring tokens of one row. Each
is computed from its own numbers in one order, so that it does not matter which they are.
"""

import numpy as np

from vectors.engine.int8.lanes import exp, keep, kernel, no_reals, plus_times
from vectors.engine.int8.rows import Floats, Numbers

GROUP = 16
"""Keys that lie together, and are compared with a query at once."""
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

    `scores` has room for four times `longest` numbers, a multiple of GROUP that no past is longer than.
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
                for t in range(0, until, GROUP):
                    sa, sb, sc, sd = no_reals(), no_reals(), no_reals(), no_reals()
                    for j in range(dim):
                        k = t * dim + j * GROUP
                        sa = plus_times(sa, qkv, qa + j, key, k)
                        sb = plus_times(sb, qkv, qb + j, key, k)
                        sc = plus_times(sc, qkv, qc + j, key, k)
                        sd = plus_times(sd, qkv, qd + j, key, k)
                    keep(sa, _ONE, scores, t)
                    keep(sb, _ONE, scores, longest + t)
                    keep(sc, _ONE, scores, 2 * longest + t)
                    keep(sd, _ONE, scores, 3 * longest + t)
                fa = _weights(scores, positions[ia] + 1, until)
                fb = _weights(scores[longest:], positions[ib] + 1, until)
                fc = _weights(scores[2 * longest :], positions[ic] + 1, until)
                fd = _weights(scores[3 * longest :], positions[id_] + 1, until)
                oa = (ia * heads + head * share + a % share) * dim
                ob = (ib * heads + head * share + b % share) * dim
                oc = (ic * heads + head * share + c % share) * dim
                od = (id_ * heads + head * share + d % share) * dim
                for j in range(0, dim, GROUP):
                    ya, yb, yc, yd = no_reals(), no_reals(), no_reals(), no_reals()
                    for t in range(until):
                        v = t * dim + j
                        ya = plus_times(ya, scores, t, value, v)
                        yb = plus_times(yb, scores, longest + t, value, v)
                        yc = plus_times(yc, scores, 2 * longest + t, value, v)
                        yd = plus_times(yd, scores, 3 * longest + t, value, v)
                    keep(ya, fa, seen, oa + j)
                    keep(yb, fb, seen, ob + j)
                    keep(yc, fc, seen, oc + j)
                    keep(yd, fd, seen, od + j)
        first = last
