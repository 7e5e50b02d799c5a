"""What a block does to each row between its products: every row alone, in one order, whatever runs beside it.

All arrays are flat. A row's numbers are rounded to bytes around 128, by its own largest: input = (byte − 128)
· scale. `first`, `step`, `rows`: a thread takes each `step`-th row from `first` on.
"""

import numpy as np
from numpy.typing import NDArray

from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.lanes import byte, exp

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
_HALF_UP = np.float32(128.5)
_MOST = np.float32(127.0)
_STEP = np.float32(1 / 127)
_LEAST = np.float32(1e-20)


@kernel
def norm(
    h: Floats, w: Floats, width: int, eps: np.float32, first: int, step: int, rows: int, q: Bytes, s: Floats
) -> None:
    """RMSNorm of each row with weights w, rounded."""
    for i in range(first, rows, step):
        x, to = h[i * width : (i + 1) * width], q[i * width : (i + 1) * width]
        squares, most = np.float32(0), _LEAST
        for j in range(width):
            squares += x[j] * x[j]
        for j in range(width):
            most = max(most, abs(x[j] * w[j]))
        f = _MOST / most
        for j in range(width):
            to[j] = byte(x[j] * w[j] * f + _HALF_UP)
        s[i] = most * _STEP / np.sqrt(squares / np.float32(width) + eps)


@kernel
def norm_in_two(
    h: Floats, w: Floats, width: int, eps: np.float32, first: int, step: int, rows: int, q: Bytes, s: Floats
) -> None:
    """RMSNorm of each row, rounded in two parts: row 2i of q, and row 2i + 1, which counts 1/254 of that."""
    for i in range(first, rows, step):
        x, to = h[i * width : (i + 1) * width], q[2 * i * width : (2 * i + 1) * width]
        finer = q[(2 * i + 1) * width : 2 * (i + 1) * width]
        squares, most = np.float32(0), _LEAST
        for j in range(width):
            squares += x[j] * x[j]
        for j in range(width):
            most = max(most, abs(x[j] * w[j]))
        f = _MOST / most
        for j in range(width):
            scaled = x[j] * w[j] * f
            whole = np.floor(scaled + np.float32(0.5))
            to[j] = byte(whole + np.float32(128.0))
            finer[j] = byte((scaled - whole) * np.float32(254.0) + _HALF_UP)
        s[i] = most * _STEP / np.sqrt(squares / np.float32(width) + eps)


@kernel
def rounded(
    inputs: Floats, w: Floats, width: int, first: int, step: int, rows: int, q: Bytes, s: Floats
) -> None:
    """Each row times w, rounded."""
    for i in range(first, rows, step):
        x, to = inputs[i * width : (i + 1) * width], q[i * width : (i + 1) * width]
        most = _LEAST
        for j in range(width):
            most = max(most, abs(x[j] * w[j]))
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
    for i in range(first, rows, step):
        left, right = y[2 * i * width : (2 * i + 1) * width], y[(2 * i + 1) * width : 2 * (i + 1) * width]
        to = q[i * width : (i + 1) * width]
        most = _LEAST
        for j in range(width):
            left[j] = left[j] / (np.float32(1) + exp(-left[j])) * right[j] * w[j]
        for j in range(width):
            most = max(most, abs(left[j]))
        f = _MOST / most
        for j in range(width):
            to[j] = byte(left[j] * f + _HALF_UP)
        s[i] = most * _STEP


@kernel
def turn(
    qkv: Floats, heads: int, kv_heads: int, dim: int, scale: np.float32, cos: Floats, sin: Floats,
    positions: Numbers, starts: Numbers, sizes: Numbers, first: int, step: int, rows: int,
    keys: Floats, values: Floats,
) -> None:  # fmt: skip
    """Turn queries, in place, and keys by position (RoPE, Su et al., arXiv 2104.09864), scale the queries,
    and store keys and values in their layer: keys in groups of 16 tokens, [group][dim][16], which attention
    reads at once.
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
            group = keys[start + at // 16 * 16 * dim :]
            value = values[start + at * dim : start + (at + 1) * dim]
            made = own[(heads + head) * dim : (heads + head + 1) * dim]
            given = own[(heads + kv_heads + head) * dim : (heads + kv_heads + head + 1) * dim]
            for j in range(dim):
                group[j * 16 + at % 16] = made[j]
                value[j] = given[j]


@kernel
def head_norm(
    qkv: Floats, width: int, first_head: int, last_head: int, dim: int, w: Floats,
    eps: np.float32, first: int, step: int, rows: int,
) -> None:  # fmt: skip
    """RMSNorm of each of some heads of each row, in place."""
    for i in range(first, rows, step):
        for head in range(first_head, last_head):
            x = qkv[i * width + head * dim : i * width + (head + 1) * dim]
            squares = np.float32(0)
            for j in range(dim):
                squares += x[j] * x[j]
            f = np.float32(1) / np.sqrt(squares / np.float32(dim) + eps)
            for j in range(dim):
                x[j] *= f * w[j]
