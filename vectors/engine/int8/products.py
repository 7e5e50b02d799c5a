"""Products of bytes: unsigned inputs, signed weights, 32-bit sums, which are the same in any order.

Weights lie in panels of 64 outputs, [panel][inputs / 4][64][4], so that each step reads 256 bytes that stand
side by side. Rows come in fours, because weights that are in the processor's registers serve four at once.
"""

import numpy as np
from numpy.typing import NDArray

from vectors.engine.int8.compiling import as_written
from vectors.engine.int8.lanes import dot4, no_sums, put, put_two
from vectors.engine.int8.rows import Bytes, Floats

PANEL = 64
TOGETHER = 4
Weights = NDArray[np.int8]
Sums = NDArray[np.int32]


def panels(weights: Weights) -> Weights:
    """Weights [outputs, inputs] in the order in which products read them, flat.

    `outputs` is a multiple of PANEL, `inputs` of four.
    """
    outputs, inputs = weights.shape
    split = weights.reshape(outputs // PANEL, PANEL, inputs // 4, 4)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3)).reshape(-1)


@as_written
def product(
    q: Bytes, s: Floats, rows: int, w: Weights, at: int, scales: Floats, offsets: Sums, columns_at: int,
    inputs: int, outputs: int, first: int, last: int, y: Floats,
) -> None:  # fmt: skip
    """y [rows, outputs] = inputs · weights, in the panels first … last.

    `s` are the rows' scales; `q`, `s` and `y` have room for as many rows as are a multiple of four, or one.
    """
    for panel in range(first, last):
        from_ = at + panel * PANEL * inputs
        c = columns_at + panel * PANEL
        if rows == 1:
            a, b, d, e = no_sums(), no_sums(), no_sums(), no_sums()
            for k in range(inputs // 4):
                p = from_ + k * 256
                a = dot4(a, q, k * 4, w, p)
                b = dot4(b, q, k * 4, w, p + 64)
                d = dot4(d, q, k * 4, w, p + 128)
                e = dot4(e, q, k * 4, w, p + 192)
            o = panel * PANEL
            put(a, offsets, scales, c, s[0], y, o)
            put(b, offsets, scales, c + 16, s[0], y, o + 16)
            put(d, offsets, scales, c + 32, s[0], y, o + 32)
            put(e, offsets, scales, c + 48, s[0], y, o + 48)
            continue
        for i in range(0, rows, 4):
            a0, a1, a2, a3 = no_sums(), no_sums(), no_sums(), no_sums()
            b0, b1, b2, b3 = no_sums(), no_sums(), no_sums(), no_sums()
            d0, d1, d2, d3 = no_sums(), no_sums(), no_sums(), no_sums()
            e0, e1, e2, e3 = no_sums(), no_sums(), no_sums(), no_sums()
            x0 = i * inputs
            x1, x2, x3 = x0 + inputs, x0 + 2 * inputs, x0 + 3 * inputs
            for k in range(inputs // 4):
                p, j = from_ + k * 256, k * 4
                a0 = dot4(a0, q, x0 + j, w, p)
                b0 = dot4(b0, q, x0 + j, w, p + 64)
                d0 = dot4(d0, q, x0 + j, w, p + 128)
                e0 = dot4(e0, q, x0 + j, w, p + 192)
                a1 = dot4(a1, q, x1 + j, w, p)
                b1 = dot4(b1, q, x1 + j, w, p + 64)
                d1 = dot4(d1, q, x1 + j, w, p + 128)
                e1 = dot4(e1, q, x1 + j, w, p + 192)
                a2 = dot4(a2, q, x2 + j, w, p)
                b2 = dot4(b2, q, x2 + j, w, p + 64)
                d2 = dot4(d2, q, x2 + j, w, p + 128)
                e2 = dot4(e2, q, x2 + j, w, p + 192)
                a3 = dot4(a3, q, x3 + j, w, p)
                b3 = dot4(b3, q, x3 + j, w, p + 64)
                d3 = dot4(d3, q, x3 + j, w, p + 128)
                e3 = dot4(e3, q, x3 + j, w, p + 192)
            o = i * outputs + panel * PANEL
            put(a0, offsets, scales, c, s[i], y, o)
            put(b0, offsets, scales, c + 16, s[i], y, o + 16)
            put(d0, offsets, scales, c + 32, s[i], y, o + 32)
            put(e0, offsets, scales, c + 48, s[i], y, o + 48)
            o += outputs
            put(a1, offsets, scales, c, s[i + 1], y, o)
            put(b1, offsets, scales, c + 16, s[i + 1], y, o + 16)
            put(d1, offsets, scales, c + 32, s[i + 1], y, o + 32)
            put(e1, offsets, scales, c + 48, s[i + 1], y, o + 48)
            o += outputs
            put(a2, offsets, scales, c, s[i + 2], y, o)
            put(b2, offsets, scales, c + 16, s[i + 2], y, o + 16)
            put(d2, offsets, scales, c + 32, s[i + 2], y, o + 32)
            put(e2, offsets, scales, c + 48, s[i + 2], y, o + 48)
            o += outputs
            put(a3, offsets, scales, c, s[i + 3], y, o)
            put(b3, offsets, scales, c + 16, s[i + 3], y, o + 16)
            put(d3, offsets, scales, c + 32, s[i + 3], y, o + 32)
            put(e3, offsets, scales, c + 48, s[i + 3], y, o + 48)


@as_written
def product_of_two(
    q: Bytes, s: Floats, rows: int, w: Weights, at: int, scales: Floats, offsets: Sums,
    inputs: int, outputs: int, first: int, last: int, y: Floats,
) -> None:  # fmt: skip
    """The same of inputs in two parts, two rows of `q` for each row of y [rows, outputs]; two rows at once
    where there are, so `q`, `s` and `y` have room for an even number, or one.
    """
    for panel in range(first, last):
        from_, c = at + panel * PANEL * inputs, panel * PANEL
        for i in range(0, rows, 2):
            a0, a1, a2, a3 = no_sums(), no_sums(), no_sums(), no_sums()
            b0, b1, b2, b3 = no_sums(), no_sums(), no_sums(), no_sums()
            d0, d1, d2, d3 = no_sums(), no_sums(), no_sums(), no_sums()
            e0, e1, e2, e3 = no_sums(), no_sums(), no_sums(), no_sums()
            x0 = 2 * i * inputs
            x1, x2, x3 = x0 + inputs, x0 + 2 * inputs, x0 + 3 * inputs
            for k in range(inputs // 4):
                p, j = from_ + k * 256, k * 4
                a0 = dot4(a0, q, x0 + j, w, p)
                b0 = dot4(b0, q, x0 + j, w, p + 64)
                d0 = dot4(d0, q, x0 + j, w, p + 128)
                e0 = dot4(e0, q, x0 + j, w, p + 192)
                a1 = dot4(a1, q, x1 + j, w, p)
                b1 = dot4(b1, q, x1 + j, w, p + 64)
                d1 = dot4(d1, q, x1 + j, w, p + 128)
                e1 = dot4(e1, q, x1 + j, w, p + 192)
                a2 = dot4(a2, q, x2 + j, w, p)
                b2 = dot4(b2, q, x2 + j, w, p + 64)
                d2 = dot4(d2, q, x2 + j, w, p + 128)
                e2 = dot4(e2, q, x2 + j, w, p + 192)
                a3 = dot4(a3, q, x3 + j, w, p)
                b3 = dot4(b3, q, x3 + j, w, p + 64)
                d3 = dot4(d3, q, x3 + j, w, p + 128)
                e3 = dot4(e3, q, x3 + j, w, p + 192)
            o = i * outputs + c
            put_two(a0, a1, offsets, scales, c, s[i], y, o)
            put_two(b0, b1, offsets, scales, c + 16, s[i], y, o + 16)
            put_two(d0, d1, offsets, scales, c + 32, s[i], y, o + 32)
            put_two(e0, e1, offsets, scales, c + 48, s[i], y, o + 48)
            if i + 1 < rows:
                o += outputs
                put_two(a2, a3, offsets, scales, c, s[i + 1], y, o)
                put_two(b2, b3, offsets, scales, c + 16, s[i + 1], y, o + 16)
                put_two(d2, d3, offsets, scales, c + 32, s[i + 1], y, o + 32)
                put_two(e2, e3, offsets, scales, c + 48, s[i + 1], y, o + 48)
