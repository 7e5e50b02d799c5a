"""Memory that threads share, and arrays at an address: what numba has no words for either."""

from collections.abc import Sequence

from llvmlite import ir
from numba import types
from numba.core import cgutils

from vectors.engine.int8.compiling import Context, Signature, Typed, instruction, place_of

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@instruction
def pointer(_typing: object, address: types.Type) -> Typed:
    """What is at an address, for `numba.carray`."""

    def made(
        _context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), made


@instruction
def read(_typing: object, shared: types.Type, index: types.Type) -> Typed:
    """shared[index], as other threads have left it."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = place_of(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.Array(types.int64, 1, "C"), types.int64), made


@instruction
def write(_typing: object, shared: types.Type, index: types.Type, value: types.Type) -> Typed:
    """shared[index] = value, for other threads to see with all that was written before."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = place_of(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(types.Array(types.int64, 1, "C"), types.int64, types.int64), made


@instruction
def count_up(_typing: object, shared: types.Type, index: types.Type) -> Typed:
    """shared[index] += 1, at once for all threads."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = place_of(context, builder, signature.args[0], args[0], args[1])
        builder.atomic_rmw("add", place, ir.Constant(_I64, 1), "seq_cst")
        return context.get_dummy_value()

    return types.none(types.Array(types.int64, 1, "C"), types.int64), made


@instruction
def change(_typing: object, shared: types.Type, index: types.Type, old: types.Type, new: types.Type) -> Typed:
    """Write `new` to shared[index] where it is `old`, and say whether it was."""

    def made(
        context: Context, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = place_of(context, builder, signature.args[0], args[0], args[1])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(types.Array(types.int64, 1, "C"), types.int64, types.int64, types.int64), made


@instruction
def pause(_typing: object) -> Typed:
    """Let the processor's other work go on for a moment."""

    def made(
        context: Context, builder: ir.IRBuilder, _signature: Signature, _args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.none(), made


@instruction
def give_way(_typing: object) -> Typed:
    """Let another thread have this processor."""

    def made(
        context: Context, builder: ir.IRBuilder, _signature: Signature, _args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(_I32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.none(), made


@instruction
def sleep(_typing: object, microseconds: types.Type) -> Typed:
    """Leave the processor to others for so long."""

    def made(
        context: Context, builder: ir.IRBuilder, _signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(_I32, [_I32])
        usleep = cgutils.get_or_insert_function(builder.module, kind, "usleep")
        builder.call(usleep, [builder.trunc(args[0], _I32)])
        return context.get_dummy_value()

    return types.none(types.int64), made
