"""Sixteen float32 numbers at once, for which numba has no words: each function is an instruction or two.

What they compute is what is written: no order is left to the compiler, which may otherwise take a row by
another one where it stands beside others (LLVM's language reference; Intel's intrinsics guide).
"""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from vectors.engine.int8.compiling import Context, Signature, Typed, instruction, kernel, place_of

LANES = 16


class Half(ir.Type):
    """LLVM's bfloat, the upper half of a float32."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Half)

    def __hash__(self) -> int:
        return hash(Half)


I8, I16, I32, F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()
SUMS, REALS = ir.VectorType(I32, LANES), ir.VectorType(F32, LANES)


class Reals:
    """Sixteen float32 numbers, as a type checker knows them."""


class _RealsType(types.Type):
    """The same, as numba knows them."""

    def __init__(self) -> None:
        super().__init__("Reals16")


_reals = _RealsType()


@register_model(_RealsType)
class _RealsModel(models.PrimitiveModel):
    def __init__(self, manager: object, front: object) -> None:
        super().__init__(manager, front, REALS)


def all_lanes(builder: ir.IRBuilder, value: ir.Value, of: ir.VectorType) -> ir.Value:
    """A vector that has a value in all lanes."""
    nothing = ir.Constant(of, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(SUMS, None))


def load(builder: ir.IRBuilder, pointer: ir.Value, of: ir.Type, align: int) -> ir.Value:
    """What is at a place that is known to be a multiple of so many bytes."""
    loaded = builder.load(builder.bitcast(pointer, of.as_pointer()))
    loaded.align = align
    return loaded


def store(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value, align: int) -> None:
    """Write to a place that is known to be a multiple of so many bytes."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = align


def call(builder: ir.IRBuilder, name: str, of: ir.Type, *args: ir.Value) -> ir.Value:
    """What one of LLVM's own functions returns."""
    kind = ir.FunctionType(of, [each.type for each in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _of_reals(count: int, make: Callable[..., ir.Value], of: types.Type = _reals) -> Callable[..., Reals]:
    """The function of one, two or three times sixteen numbers that `make` writes."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return make(builder, *args)

    typed: Typed = (of(*[_reals] * count), made)
    of_counts: list[Callable[..., Typed]] = [lambda _, _a: typed, lambda _, _a, _b: typed]
    return instruction([*of_counts, lambda _, _a, _b, _c: typed][count - 1])


def _larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _across(builder: ir.IRBuilder, two: Callable[..., ir.Value], many: ir.Value) -> ir.Value:
    for step in (8, 4, 2, 1):
        turned = ir.Constant(SUMS, [(lane + step) % LANES for lane in range(LANES)])
        many = two(builder, many, builder.shuffle_vector(many, many, turned))
    return builder.extract_element(many, ir.Constant(I32, 0))


plus = _of_reals(2, ir.IRBuilder.fadd)
minus = _of_reals(2, ir.IRBuilder.fsub)
times = _of_reals(2, ir.IRBuilder.fmul)
over = _of_reals(2, ir.IRBuilder.fdiv)
larger = _of_reals(2, _larger)
smaller = _of_reals(2, lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
plus_times = _of_reals(3, lambda builder, a, b, c: call(builder, "llvm.fma.v16f32", REALS, b, c, a))
"""a + b · c, rounded once."""
magnitude = _of_reals(1, lambda builder, a: call(builder, "llvm.fabs.v16f32", REALS, a))
nearest = _of_reals(1, lambda builder, a: call(builder, "llvm.roundeven.v16f32", REALS, a))
"""The whole numbers that are nearest."""
total = cast(
    "Callable[[Reals], np.float32]",
    _of_reals(1, lambda builder, a: _across(builder, ir.IRBuilder.fadd, a), types.float32),
)
"""The sum of all sixteen, as a tree."""
largest = cast(
    "Callable[[Reals], np.float32]",
    _of_reals(1, lambda builder, a: _across(builder, _larger, a), types.float32),
)
_by_power = _of_reals(
    2,
    lambda builder, a, b: call(
        builder,
        "llvm.x86.avx512.mask.scalef.ps.512",
        REALS,
        *(a, b, a, ir.Constant(I16, -1), ir.Constant(I32, 4)),
    ),
)
"""a · 2 ** b; what is too small for a float32 becomes zero."""


@instruction
def all_of(_typing: object, number: types.Type) -> Typed:
    """Sixteen times one number."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return all_lanes(builder, args[0], REALS)

    return _reals(types.float32), made


@instruction
def reals(_typing: object, numbers: types.Type, at: types.Type) -> Typed:
    """numbers[at : at + 16]."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return load(builder, place_of(context, builder, signature.args[0], *args), REALS, 4)

    return _reals(numbers, at), made


@instruction
def first_of(_typing: object, many: types.Type, count: types.Type, other: types.Type) -> Typed:
    """The first so many of sixteen numbers, and another one in place of the rest."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        lanes = ir.Constant(SUMS, list(range(LANES)))
        among = builder.icmp_signed("<", lanes, all_lanes(builder, builder.trunc(args[1], I32), SUMS))
        return builder.select(among, args[0], all_lanes(builder, args[2], REALS))

    return _reals(many, types.int64, types.float32), made


@instruction
def keep(_typing: object, many: types.Type, numbers: types.Type, at: types.Type) -> Typed:
    """numbers[at : at + 16] = many."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        store(builder, args[0], place_of(context, builder, signature.args[1], *args[1:]), 4)
        return context.get_dummy_value()

    return types.none(many, numbers, at), made


@instruction
def keep_halves(_typing: object, many: types.Type, halves: types.Type, at: types.Type) -> Typed:
    """halves[at : at + 16] = many, each rounded to the upper half of its bits (bfloat16)."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        rounded = call(builder, "llvm.x86.avx512bf16.cvtneps2bf16.512", ir.VectorType(Half(), LANES), args[0])
        store(builder, rounded, place_of(context, builder, signature.args[1], *args[1:]), 2)
        return context.get_dummy_value()

    return types.none(many, halves, at), made


@instruction
def byte(_typing: object, number: types.Type) -> Typed:
    """A number from 0 to 255.99 as a byte, its fraction cut off."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.trunc(builder.fptosi(args[0], I32), I8)

    return types.uint8(types.float32), made


@instruction
def half_of(_typing: object, number: types.Type) -> Typed:
    """A finite number rounded to the upper half of its bits (bfloat16), to even between two."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        bits = builder.bitcast(args[0], I32)
        odd = builder.and_(builder.lshr(bits, ir.Constant(I32, 16)), ir.Constant(I32, 1))
        up = builder.add(builder.add(bits, ir.Constant(I32, 0x7FFF)), odd)
        return builder.trunc(builder.lshr(up, ir.Constant(I32, 16)), I16)

    return types.uint16(types.float32), made


@kernel
def exp(x: Reals) -> Reals:
    """e to each of sixteen numbers, within 2 in the last place (Cephes, expf); 0 far below -87."""
    within = smaller(larger(x, all_of(np.float32(-110))), all_of(np.float32(88)))
    n = nearest(times(within, all_of(np.float32(1.44269504))))
    r = plus_times(within, n, all_of(np.float32(-0.693359375)))
    r = plus_times(r, n, all_of(np.float32(2.12194440e-4)))
    p = all_of(np.float32(1.9875691500e-4))
    p = plus_times(all_of(np.float32(1.3981999507e-3)), p, r)
    p = plus_times(all_of(np.float32(8.3334519073e-3)), p, r)
    p = plus_times(all_of(np.float32(4.1665795894e-2)), p, r)
    p = plus_times(all_of(np.float32(1.6666665459e-1)), p, r)
    p = plus_times(all_of(np.float32(5.0000001201e-1)), p, r)
    y = plus_times(plus(r, all_of(np.float32(1))), times(p, r), r)
    return _by_power(y, n)
