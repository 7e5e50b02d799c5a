"""Products of bytes: unsigned inputs, signed weights, 32-bit sums, which are the same in any order.

Weights lie in panels of 64 outputs, [panel][inputs / 4][64][4], so that each step reads 256 bytes that stand
side by side. Rows come in fours, because weights that are in the processor's registers serve four at once.
"""

import numpy as np
from numpy.typing import NDArray

from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.rows import Bytes, Floats
from vectors.engine.int8.tiles import multiply_finer, multiply_four, multiply_one, multiply_two_finer

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


@kernel
def product(
    q: Bytes, s: Floats, rows: int, w: Weights, at: int, scales: Floats, offsets: Sums, columns_at: int,
    inputs: int, outputs: int, first: int, last: int, y: Floats,
) -> None:  # fmt: skip
    """y [rows, outputs] = inputs · weights, in the panels first … last.

    `s` are the rows' scales; `q`, `s` and `y` have room for as many rows as are a multiple of four, or one.
    """
    for panel in range(first, last):
        from_, o = at + panel * PANEL * inputs, panel * PANEL
        c = columns_at + o
        if rows == 1:
            multiply_one(q, 0, inputs, w, from_, offsets, scales, c, s, 0, y, o, outputs)
            continue
        for i in range(0, rows, TOGETHER):
            multiply_four(
                q, i * inputs, inputs, w, from_, offsets, scales, c, s, i, y, i * outputs + o, outputs
            )


@kernel
def product_of_two(
    q: Bytes, s: Floats, rows: int, w: Weights, at: int, scales: Floats, offsets: Sums,
    inputs: int, outputs: int, first: int, last: int, y: Floats,
) -> None:  # fmt: skip
    """The same of inputs in two parts, two rows of `q` for each row of y [rows, outputs]."""
    for panel in range(first, last):
        from_, c = at + panel * PANEL * inputs, panel * PANEL
        for i in range(0, rows - 1, 2):
            multiply_two_finer(
                q, 2 * i * inputs, inputs, w, from_, offsets, scales, c, s, i, y, i * outputs + c, outputs
            )
        if rows % 2:
            i = rows - 1
            multiply_finer(
                q, 2 * i * inputs, inputs, w, from_, offsets, scales, c, s, i, y, i * outputs + c, outputs
            )
