"""What numba has no words for: sixteen sums, or sixteen numbers, at once.

Each function here becomes a few instructions in the kernels that call it (LLVM's language reference; Intel's
intrinsics guide for `vpdpbusd`, which multiplies 64 pairs of bytes and adds each four products to one sum).
"""

from collections.abc import Sequence

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from vectors.engine.int8.compiling import Context, Signature, Typed, instruction, kernel, place_of

LANES = 16
_I8, _I32, _F32 = ir.IntType(8), ir.IntType(32), ir.FloatType()
_SUMS, _BYTES, _FLOATS = ir.VectorType(_I32, LANES), ir.VectorType(_I8, 4 * LANES), ir.VectorType(_F32, LANES)
_BYTES_IN = binding.llvm_version_info[0] >= 21
"""Since when the instruction is declared over bytes, before over the 32-bit numbers that hold four."""


class _SumsType(types.Type):
    """Sixteen 32-bit sums."""

    def __init__(self) -> None:
        super().__init__("Sums16")


class _RealsType(types.Type):
    """Sixteen float32 numbers."""

    def __init__(self) -> None:
        super().__init__("Reals16")


_sums_type, _reals_type = _SumsType(), _RealsType()


@register_model(_SumsType)
class _SumsModel(models.PrimitiveModel):
    def __init__(self, manager: object, front: object) -> None:
        super().__init__(manager, front, _SUMS)


@register_model(_RealsType)
class _RealsModel(models.PrimitiveModel):
    def __init__(self, manager: object, front: object) -> None:
        super().__init__(manager, front, _FLOATS)


def _all_lanes(builder: ir.IRBuilder, value: ir.Value, of: ir.VectorType) -> ir.Value:
    nothing = ir.Constant(of, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_SUMS, None))


def _load(builder: ir.IRBuilder, pointer: ir.Value, of: ir.Type, align: int) -> ir.Value:
    loaded = builder.load(builder.bitcast(pointer, of.as_pointer()))
    loaded.align = align
    return loaded


@instruction
def no_sums(_typing: object) -> Typed:
    """Sixteen zeros."""
    return _sums_type(), lambda *_: ir.Constant(_SUMS, None)


@instruction
def no_reals(_typing: object) -> Typed:
    """Sixteen zeros."""
    return _reals_type(), lambda *_: ir.Constant(_FLOATS, None)


@instruction
def plus_times(
    _typing: object,
    reals: types.Type,
    factors: types.Type,
    at: types.Type,
    numbers: types.Type,
    numbers_at: types.Type,
) -> Typed:
    """reals + factors[at] · numbers[numbers_at : …], rounded once."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        factor = builder.load(place_of(context, builder, signature.args[1], args[1], args[2]))
        many = _load(builder, place_of(context, builder, signature.args[3], args[3], args[4]), _FLOATS, 4)
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        once = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
        return builder.call(once, [_all_lanes(builder, factor, _FLOATS), many, args[0]])

    return _reals_type(reals, factors, at, numbers, numbers_at), made


@instruction
def keep(
    _typing: object, reals: types.Type, factor: types.Type, numbers: types.Type, at: types.Type
) -> Typed:
    """numbers[at : …] = reals · factor."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        target = place_of(context, builder, signature.args[2], args[2], args[3])
        scaled = builder.fmul(args[0], _all_lanes(builder, args[1], _FLOATS))
        builder.store(scaled, builder.bitcast(target, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.none(reals, types.float32, numbers, at), made


@instruction
def dot4(
    _typing: object,
    sums: types.Type,
    inputs: types.Type,
    at: types.Type,
    weights: types.Type,
    weights_at: types.Type,
) -> Typed:
    """Add to each of sixteen sums the product of inputs[at : at + 4], unsigned, and its own four of the 64
    signed weights from `weights_at` on, which lie at a multiple of 64 bytes.
    """

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        four = _load(builder, place_of(context, builder, signature.args[1], args[1], args[2]), _I32, 1)
        many = _load(builder, place_of(context, builder, signature.args[3], args[3], args[4]), _SUMS, 64)
        operand = _BYTES if _BYTES_IN else _SUMS
        kind = ir.FunctionType(_SUMS, [_SUMS, operand, operand])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
        pair = [_all_lanes(builder, four, _SUMS), many]
        return builder.call(instruction, [args[0], *(builder.bitcast(each, operand) for each in pair)])

    return _sums_type(sums, inputs, at, weights, weights_at), made


@instruction
def put(
    _typing: object,
    sums: types.Type,
    offsets: types.Type,
    scales: types.Type,
    at: types.Type,
    factor: types.Type,
    outputs: types.Type,
    outputs_at: types.Type,
) -> Typed:
    """outputs[outputs_at : …] = (sums − offsets[at : …]) · scales[at : …] · factor, sixteen of each."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        offset = _load(builder, place_of(context, builder, signature.args[1], args[1], args[3]), _SUMS, 4)
        scale = _load(builder, place_of(context, builder, signature.args[2], args[2], args[3]), _FLOATS, 4)
        whole = builder.sitofp(builder.sub(args[0], offset), _FLOATS)
        scaled = builder.fmul(builder.fmul(whole, scale), _all_lanes(builder, args[4], _FLOATS))
        target = place_of(context, builder, signature.args[5], args[5], args[6])
        builder.store(scaled, builder.bitcast(target, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.none(sums, offsets, scales, at, factor, outputs, outputs_at), made


@instruction
def put_two(
    _typing: object,
    sums: types.Type,
    finer: types.Type,
    offsets: types.Type,
    scales: types.Type,
    at: types.Type,
    factor: types.Type,
    outputs: types.Type,
    outputs_at: types.Type,
) -> Typed:
    """As `put`, of inputs in two parts, of which the finer one counts 1/254."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        offset = _load(builder, place_of(context, builder, signature.args[2], args[2], args[4]), _SUMS, 4)
        scale = _load(builder, place_of(context, builder, signature.args[3], args[3], args[4]), _FLOATS, 4)
        whole, part = (builder.sitofp(builder.sub(each, offset), _FLOATS) for each in args[:2])
        part = builder.fmul(part, _all_lanes(builder, ir.Constant(_F32, 1 / 254), _FLOATS))
        both = builder.fmul(builder.fadd(whole, part), scale)
        target = place_of(context, builder, signature.args[6], args[6], args[7])
        scaled = builder.fmul(both, _all_lanes(builder, args[5], _FLOATS))
        builder.store(scaled, builder.bitcast(target, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.none(sums, finer, offsets, scales, at, factor, outputs, outputs_at), made


@instruction
def byte(_typing: object, number: types.Type) -> Typed:
    """A number from 0 to 255.99 as a byte, its fraction cut off."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.trunc(builder.fptosi(args[0], _I32), _I8)

    return types.uint8(types.float32), made


@instruction
def power_of_two(_typing: object, exponent: types.Type) -> Typed:
    """2 to a whole number from -126 to 127."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        biased = builder.add(builder.fptosi(args[0], _I32), ir.Constant(_I32, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(_I32, 23)), _F32)

    return types.float32(types.float32), made


@kernel
def exp(x: np.float32) -> np.float32:
    """e to a number, within 2 in the last place (Cephes, expf)."""
    within = min(max(x, np.float32(-87.0)), np.float32(88.0))
    n = np.floor(within * np.float32(1.44269504) + np.float32(0.5))
    r = within - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    y: np.float32 = (p * r * r + r + np.float32(1.0)) * power_of_two(n)
    return y
