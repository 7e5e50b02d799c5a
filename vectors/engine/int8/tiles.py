"""The inner loops of products: some rows times some columns of sixteen, whose sums stay in registers.

Each step takes four bytes of each row, and 64 bytes of each column, which hold four for each of its sixteen.
They are four pairs of whole numbers (Intel's intrinsics guide: `vpdpbusd`) or two of bfloat16 (`vdpbf16ps`).
"""

from collections.abc import Callable, Sequence

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

from vectors.engine.int8.compiling import Context, Signature, Typed, instruction, place_of
from vectors.engine.int8.lanes import F32, I8, I32, LANES, REALS, SUMS, Half, all_lanes, call, load, store

_BYTES_IN = binding.llvm_version_info[0] >= 21
"""Since when the instruction is declared over bytes, before over the 32-bit numbers that hold four."""
_COLUMNS = 4
_PANEL_STEP = 4 * LANES * _COLUMNS
_HALF = 2
FINER = 254
"""What the finer of two parts of an input counts less."""
_Step = Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value], ir.Value]


def _of_bytes(builder: ir.IRBuilder, sums: ir.Value, inputs: ir.Value, weights: ir.Value) -> ir.Value:
    operand = ir.VectorType(I8, 4 * LANES) if _BYTES_IN else SUMS
    pair = (builder.bitcast(each, operand) for each in (inputs, weights))
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", SUMS, sums, *pair)


def _of_halves(builder: ir.IRBuilder, sums: ir.Value, inputs: ir.Value, others: ir.Value) -> ir.Value:
    pair = (builder.bitcast(each, ir.VectorType(Half(), 2 * LANES)) for each in (inputs, others))
    return call(builder, "llvm.x86.avx512bf16.dpbf16ps.512", REALS, sums, *pair)


def _tile(
    builder: ir.IRBuilder,
    step: _Step,
    of: ir.VectorType,
    rows: Sequence[ir.Value],
    columns: Sequence[ir.Value],
    stride: ir.Value,
    steps: ir.Value,
) -> list[list[ir.Value]]:
    """The sums [row][column] of what lies from some places on; a column's next 64 bytes are `stride` away."""
    rows, columns = ([builder.bitcast(each, I8.as_pointer()) for each in them] for them in (rows, columns))
    sums = [[cgutils.alloca_once(builder, of) for _ in columns] for _ in rows]
    for each in (one for row in sums for one in row):
        builder.store(ir.Constant(of, None), each)
    with cgutils.for_range(builder, steps) as loop:
        across, down = (
            builder.mul(loop.index, ir.Constant(loop.index.type, 4)),
            builder.mul(loop.index, stride),
        )
        weights = [load(builder, builder.gep(column, [down]), SUMS, 2) for column in columns]
        for row, its in zip(rows, sums, strict=True):
            four = all_lanes(builder, load(builder, builder.gep(row, [across]), I32, 1), SUMS)
            for weight, sum_ in zip(weights, its, strict=True):
                builder.store(step(builder, builder.load(sum_), four, weight), sum_)
    return [[builder.load(each) for each in row] for row in sums]


def _bytes_tile(rows: int, parts: int) -> Callable[..., object]:
    """`multiply` for so many rows of bytes, and for inputs in one part or in two rows of bytes each."""

    @instruction
    def multiply(
        _typing: object, q: types.Type, at: types.Type, inputs: types.Type, w: types.Type, w_at: types.Type,
        offsets: types.Type, scales: types.Type, c: types.Type, s: types.Type, s_at: types.Type,
        y: types.Type, y_at: types.Type, outputs: types.Type,
    ) -> Typed:  # fmt: skip
        """Of rows of `inputs` bytes in q from `at` on, and the panel of 64 weights from `w_at` on:

        y[y_at + row · outputs : … + 64] = (sums − offsets[c : c + 64]) · scales[c : c + 64] · s[s_at + row]
        """
        takes = (q, at, inputs, w, w_at, offsets, scales, c, s, s_at, y, y_at, outputs)

        def made(
            context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
        ) -> ir.Value:
            def place(array: int, at: ir.Value, plus: int = 0, of: ir.Value = None) -> ir.Value:
                shift = (
                    ir.Constant(at.type, plus) if of is None else builder.mul(of, ir.Constant(at.type, plus))
                )
                return place_of(context, builder, signature.args[array], args[array], builder.add(at, shift))

            at, inputs, w_at, c, s_at, y_at, outputs = (args[each] for each in (1, 2, 4, 7, 9, 11, 12))
            stride = ir.Constant(w_at.type, _PANEL_STEP)
            found = _tile(
                builder,
                _of_bytes,
                SUMS,
                [place(0, at, row, inputs) for row in range(rows)],
                [place(3, w_at, 4 * LANES * column) for column in range(_COLUMNS)],
                stride,
                builder.sdiv(inputs, ir.Constant(inputs.type, 4)),
            )
            for row in range(0, rows, parts):
                factor = all_lanes(builder, builder.load(place(8, s_at, row // parts)), REALS)
                for column in range(_COLUMNS):
                    offset = load(builder, place(5, c, LANES * column), SUMS, 4)
                    scale = load(builder, place(6, c, LANES * column), REALS, 4)
                    whole, *finer = (
                        builder.sitofp(builder.sub(found[part][column], offset), REALS)
                        for part in range(row, row + parts)
                    )
                    for part in finer:
                        least = all_lanes(builder, ir.Constant(F32, 1 / FINER), REALS)
                        whole = builder.fadd(whole, builder.fmul(part, least))
                    value = builder.fmul(builder.fmul(whole, scale), factor)
                    its = builder.add(y_at, ir.Constant(y_at.type, LANES * column))
                    store(builder, value, place(10, its, row // parts, outputs), 4)
            return context.get_dummy_value()

        return types.none(*takes), made

    return multiply


@instruction
def multiply_halves(
    _typing: object, rows: types.Type, columns: types.Type, q: types.Type, row: types.Type, k: types.Type,
    k_at: types.Type, column: types.Type, step: types.Type, steps: types.Type, y: types.Type,
    y_at: types.Type, outputs: types.Type,
) -> Typed:  # fmt: skip
    """Of four or eight rows, and one or two columns of sixteen:

    y[y_at + r · outputs + 16 · c : … + 16] = the sum over steps of a pair in q, the first at r · row, times
    each of 16 pairs in k, the first at k_at + c · column; the next step's are two, and `step`, further on.
    """
    takes = (rows, columns, q, row, k, k_at, column, step, steps, y, y_at, outputs)

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        def places(array: int, at: ir.Value, stride: ir.Value, count: int) -> list[ir.Value]:
            numbers = (builder.mul(stride, ir.Constant(stride.type, number)) for number in range(count))
            its = (builder.add(at, number) for number in numbers)
            return [place_of(context, builder, signature.args[array], args[array], each) for each in its]

        zero = ir.Constant(args[3].type, 0)
        stride = builder.mul(args[7], ir.Constant(args[7].type, _HALF))
        for high, wide in ((8, 2), (8, 1), (4, 2), (4, 1)):
            so_high = builder.icmp_signed("==", args[0], ir.Constant(args[0].type, high))
            so_wide = builder.icmp_signed("==", args[1], ir.Constant(args[1].type, wide))
            with builder.if_then(builder.and_(so_high, so_wide)):
                its = places(2, zero, args[3], high), places(4, args[5], args[6], wide)
                found = _tile(builder, _of_halves, REALS, *its, stride, args[8])
                for sums, target in zip(found, places(9, args[10], args[11], high), strict=True):
                    for number, each in enumerate(sums):
                        store(builder, each, builder.gep(target, [ir.Constant(I32, LANES * number)]), 4)
        return context.get_dummy_value()

    return types.none(*takes), made


multiply_one, multiply_four = _bytes_tile(1, 1), _bytes_tile(4, 1)
multiply_finer, multiply_two_finer = _bytes_tile(2, 2), _bytes_tile(4, 2)
