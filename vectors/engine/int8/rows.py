"""What a block does to each row between its products: every row alone, in one order, whatever runs beside it.

All arrays are flat. A row's numbers are rounded to bytes around 128, by its own largest: input = (byte − 128)
· scale. `first`, `step`, `rows`: a thread takes each `step`-th row from `first` on.
"""

import numpy as np
from numpy.typing import NDArray

from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.lanes import (
    LANES,
    all_of,
    byte,
    exp,
    half_of,
    keep,
    larger,
    largest,
    magnitude,
    minus,
    over,
    plus,
    plus_times,
    reals,
    times,
    total,
)
from vectors.engine.int8.tiles import FINER

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Halves = NDArray[np.uint16]
"""Numbers in bfloat16."""
Numbers = NDArray[np.int64]
_HALF_UP = np.float32(128.5)
_MOST = np.float32(127.0)
_STEP = np.float32(1 / 127)
_LEAST = np.float32(1e-20)
_FINER = np.float32(FINER)


@kernel
def _squares(x: Floats, width: int) -> np.float32:
    """The sum of the squares of so many numbers, a multiple of 16."""
    squares = all_of(np.float32(0))
    for j in range(0, width, LANES):
        its = reals(x, j)
        squares = plus_times(squares, its, its)
    return total(squares)


@kernel
def _most(x: Floats, w: Floats, width: int) -> np.float32:
    """The largest magnitude of x · w, of so many, a multiple of 16."""
    most = all_of(_LEAST)
    for j in range(0, width, LANES):
        most = larger(magnitude(times(reals(x, j), reals(w, j))), most)
    return largest(most)


@kernel
def norm(
    h: Floats, w: Floats, width: int, eps: np.float32, first: int, step: int, rows: int, q: Bytes, s: Floats
) -> None:
    """RMSNorm of each row with weights w, rounded."""
    for i in range(first, rows, step):
        x, to = h[i * width : (i + 1) * width], q[i * width : (i + 1) * width]
        most = _most(x, w, width)
        f = _MOST / most
        for j in range(width):
            to[j] = byte(x[j] * w[j] * f + _HALF_UP)
        s[i] = most * _STEP / np.sqrt(_squares(x, width) / np.float32(width) + eps)


@kernel
def norm_in_two(
    h: Floats, w: Floats, width: int, eps: np.float32, first: int, step: int, rows: int, q: Bytes, s: Floats
) -> None:
    """RMSNorm of each row, rounded in two parts: row 2i of q, and row 2i + 1, which counts 1/254 of that."""
    for i in range(first, rows, step):
        x, to = h[i * width : (i + 1) * width], q[2 * i * width : (2 * i + 1) * width]
        finer = q[(2 * i + 1) * width : 2 * (i + 1) * width]
        most = _most(x, w, width)
        f = _MOST / most
        for j in range(width):
            scaled = x[j] * w[j] * f
            whole = np.floor(scaled + np.float32(0.5))
            to[j] = byte(whole + np.float32(128.0))
            finer[j] = byte((scaled - whole) * _FINER + _HALF_UP)
        s[i] = most * _STEP / np.sqrt(_squares(x, width) / np.float32(width) + eps)


@kernel
def rounded(
    inputs: Floats, w: Floats, width: int, first: int, step: int, rows: int, q: Bytes, s: Floats
) -> None:
    """Each row times w, rounded."""
    for i in range(first, rows, step):
        x, to = inputs[i * width : (i + 1) * width], q[i * width : (i + 1) * width]
        most = _most(x, w, width)
        f = _MOST / most
        for j in range(width):
            to[j] = byte(x[j] * w[j] * f + _HALF_UP)
        s[i] = most * _STEP


@kernel
def add(h: Floats, y: Floats, width: int, first: int, step: int, rows: int) -> None:
    """h += y."""
    for i in range(first, rows, step):
        x, more = h[i * width : (i + 1) * width], y[i * width : (i + 1) * width]
        for j in range(width):
            x[j] += more[j]


@kernel
def gate(y: Floats, w: Floats, width: int, first: int, step: int, rows: int, q: Bytes, s: Floats) -> None:
    """silu(left half) · right half of each row of y, times w, rounded; the left half is overwritten."""
    zero, one = all_of(np.float32(0)), all_of(np.float32(1))
    for i in range(first, rows, step):
        left, right = y[2 * i * width : (2 * i + 1) * width], y[(2 * i + 1) * width : 2 * (i + 1) * width]
        to = q[i * width : (i + 1) * width]
        most = all_of(_LEAST)
        for j in range(0, width, LANES):
            x = reals(left, j)
            sigmoid = over(one, plus(one, exp(minus(zero, x))))
            y_ = times(times(times(x, sigmoid), reals(right, j)), reals(w, j))
            keep(y_, left, j)
            most = larger(magnitude(y_), most)
        s[i] = largest(most) * _STEP
        f = _MOST / largest(most)
        for j in range(width):
            to[j] = byte(left[j] * f + _HALF_UP)


@kernel
def turn(
    qkv: Floats, heads: int, kv_heads: int, dim: int, scale: np.float32, cos: Floats, sin: Floats,
    positions: Numbers, starts: Numbers, sizes: Numbers, first: int, step: int, rows: int,
    keys: Halves, values: Halves,
) -> None:  # fmt: skip
    """Turn queries, in place, and keys by position (RoPE, Su et al., arXiv 2104.09864), scale the queries,
    and store keys and values in their layer as attention reads them: keys in groups of 16 tokens, [group]
    [dim / 2][16][2], and values in pairs of tokens, [pair][dim][2].
    """
    half = dim // 2
    for i in range(first, rows, step):
        at, own = positions[i], qkv[i * (heads + 2 * kv_heads) * dim : (i + 1) * (heads + 2 * kv_heads) * dim]
        c, n = cos[at * dim : (at + 1) * dim], sin[at * dim : (at + 1) * dim]
        for head in range(heads + kv_heads):
            left, right = own[head * dim : head * dim + half], own[head * dim + half : (head + 1) * dim]
            f = scale if head < heads else np.float32(1)
            for j in range(half):
                x, z = left[j] * f, right[j] * f
                left[j] = x * c[j] + z * n[j]
                right[j] = z * c[half + j] + x * n[half + j]
        for head in range(kv_heads):
            start = (starts[i] + head * sizes[i]) * dim
            group = keys[start + at // LANES * LANES * dim + at % LANES * 2 :]
            pair = values[start + at // 2 * 2 * dim + at % 2 :]
            made = own[(heads + head) * dim : (heads + head + 1) * dim]
            given = own[(heads + kv_heads + head) * dim : (heads + kv_heads + head + 1) * dim]
            for j in range(dim):
                group[j // 2 * 2 * LANES + j % 2] = half_of(made[j])
                pair[j * 2] = half_of(given[j])


@kernel
def head_norm(
    qkv: Floats, width: int, first_head: int, last_head: int, dim: int, w: Floats,
    eps: np.float32, first: int, step: int, rows: int,
) -> None:  # fmt: skip
    """RMSNorm of each of some heads of each row, in place."""
    for i in range(first, rows, step):
        for head in range(first_head, last_head):
            x = qkv[i * width + head * dim : i * width + (head + 1) * dim]
            f = np.float32(1) / np.sqrt(_squares(x, dim) / np.float32(dim) + eps)
            for j in range(dim):
                x[j] *= f * w[j]
