"""What numba has no words for: sixteen sums at once, memory that threads share, arrays at an address.

Each function here becomes a few instructions in the kernels that call it (LLVM's language reference; Intel's
intrinsics guide for `vpdpbusd`, which multiplies 64 pairs of bytes and adds each four products to one sum).
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from llvmlite import binding, ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array
from platformdirs import user_cache_path

LANES = 16
_I8, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_SUMS, _BYTES, _FLOATS = ir.VectorType(_I32, LANES), ir.VectorType(_I8, 4 * LANES), ir.VectorType(_F32, LANES)
_BYTES_IN = binding.llvm_version_info[0] >= 21
"""Since when the instruction is declared over bytes, before over the 32-bit numbers that hold four."""
_OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy", "cache": True}
_FAST = {"reassoc", "contract", "nsz", "arcp", "nnan", "ninf"}


class _Signature(Protocol):
    """Of a call: the types of its arguments."""

    args: Sequence[types.Type]


class _Context(Protocol):
    """Numba's, of the code that is being written."""

    def get_dummy_value(self) -> ir.Value: ...


_Typed = tuple[types.Type, Callable[..., ir.Value]]
"""What numba asks of an instruction: its signature, and what writes it."""
_Kernel = TypeVar("_Kernel", bound=Callable[..., object])


def _kept_at() -> Path:
    """Where what was compiled of these very modules is kept.

    Numba itself looks at a function's own file alone, and what it calls stands in others.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()
    return user_cache_path("orchestrate") / "kernels" / digest[:16]


if not config.CACHE_DIR:
    config.CACHE_DIR = str(_kept_at())


def kernel(function: _Kernel) -> _Kernel:
    """Compile a function when it is first called, for this processor, and keep it on disk.

    Sums of floats may be taken in another order than they are written, the same whenever the kernel runs.
    """
    return cast("_Kernel", njit(fastmath=_FAST, **_OPTIONS)(function))


def as_written(function: _Kernel) -> _Kernel:
    """The same for what several places of a kernel have to round alike.

    Numba gives a function without rules for floats those of the kernel that calls it: it has one, of zeros.
    """
    return cast("_Kernel", njit(fastmath={"nsz"}, **_OPTIONS)(function))


def instruction(function: Callable[..., _Typed]) -> Callable[..., Any]:
    """Make of what numba is to write a function for kernels, without the first argument."""
    return cast("Callable[..., Any]", intrinsic(function))


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


def _at(
    context: _Context, builder: ir.IRBuilder, array: types.Type, value: ir.Value, index: ir.Value
) -> ir.Value:
    return builder.gep(make_array(array)(context, builder, value).data, [index])


def _all_lanes(builder: ir.IRBuilder, value: ir.Value, of: ir.VectorType) -> ir.Value:
    nothing = ir.Constant(of, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_SUMS, None))


def _load(builder: ir.IRBuilder, pointer: ir.Value, of: ir.Type, align: int) -> ir.Value:
    loaded = builder.load(builder.bitcast(pointer, of.as_pointer()))
    loaded.align = align
    return loaded


@instruction
def no_sums(_typing: object) -> _Typed:
    """Sixteen zeros."""
    return _sums_type(), lambda *_: ir.Constant(_SUMS, None)


@instruction
def no_reals(_typing: object) -> _Typed:
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
) -> _Typed:
    """reals + factors[at] · numbers[numbers_at : …], rounded once."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        factor = builder.load(_at(context, builder, signature.args[1], args[1], args[2]))
        many = _load(builder, _at(context, builder, signature.args[3], args[3], args[4]), _FLOATS, 4)
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        once = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
        return builder.call(once, [_all_lanes(builder, factor, _FLOATS), many, args[0]])

    return _reals_type(reals, factors, at, numbers, numbers_at), made


@instruction
def keep(
    _typing: object, reals: types.Type, factor: types.Type, numbers: types.Type, at: types.Type
) -> _Typed:
    """numbers[at : …] = reals · factor."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        target = _at(context, builder, signature.args[2], args[2], args[3])
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
) -> _Typed:
    """Add to each of sixteen sums the product of inputs[at : at + 4], unsigned, and its own four of the 64
    signed weights from `weights_at` on, which lie at a multiple of 64 bytes.
    """

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        four = _load(builder, _at(context, builder, signature.args[1], args[1], args[2]), _I32, 1)
        many = _load(builder, _at(context, builder, signature.args[3], args[3], args[4]), _SUMS, 64)
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
) -> _Typed:
    """outputs[outputs_at : …] = (sums − offsets[at : …]) · scales[at : …] · factor, sixteen of each."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        offset = _load(builder, _at(context, builder, signature.args[1], args[1], args[3]), _SUMS, 4)
        scale = _load(builder, _at(context, builder, signature.args[2], args[2], args[3]), _FLOATS, 4)
        whole = builder.sitofp(builder.sub(args[0], offset), _FLOATS)
        scaled = builder.fmul(builder.fmul(whole, scale), _all_lanes(builder, args[4], _FLOATS))
        target = _at(context, builder, signature.args[5], args[5], args[6])
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
) -> _Typed:
    """As `put`, of inputs in two parts, of which the finer one counts 1/254."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        offset = _load(builder, _at(context, builder, signature.args[2], args[2], args[4]), _SUMS, 4)
        scale = _load(builder, _at(context, builder, signature.args[3], args[3], args[4]), _FLOATS, 4)
        whole, part = (builder.sitofp(builder.sub(each, offset), _FLOATS) for each in args[:2])
        part = builder.fmul(part, _all_lanes(builder, ir.Constant(_F32, 1 / 254), _FLOATS))
        both = builder.fmul(builder.fadd(whole, part), scale)
        target = _at(context, builder, signature.args[6], args[6], args[7])
        scaled = builder.fmul(both, _all_lanes(builder, args[5], _FLOATS))
        builder.store(scaled, builder.bitcast(target, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.none(sums, finer, offsets, scales, at, factor, outputs, outputs_at), made


@instruction
def byte(_typing: object, number: types.Type) -> _Typed:
    """A number from 0 to 255.99 as a byte, its fraction cut off."""

    def made(
        _context: _Context, builder: ir.IRBuilder, _signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.trunc(builder.fptosi(args[0], _I32), _I8)

    return types.uint8(types.float32), made


@instruction
def power_of_two(_typing: object, exponent: types.Type) -> _Typed:
    """2 to a whole number from -126 to 127."""

    def made(
        _context: _Context, builder: ir.IRBuilder, _signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        biased = builder.add(builder.fptosi(args[0], _I32), ir.Constant(_I32, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(_I32, 23)), _F32)

    return types.float32(types.float32), made


@instruction
def pointer(_typing: object, address: types.Type) -> _Typed:
    """What is at an address, for `numba.carray`."""

    def made(
        _context: _Context, builder: ir.IRBuilder, _signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), made


@instruction
def read(_typing: object, shared: types.Type, index: types.Type) -> _Typed:
    """shared[index], as other threads have left it."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = _at(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.Array(types.int64, 1, "C"), types.int64), made


@instruction
def write(_typing: object, shared: types.Type, index: types.Type, value: types.Type) -> _Typed:
    """shared[index] = value, for other threads to see with all that was written before."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = _at(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(types.Array(types.int64, 1, "C"), types.int64, types.int64), made


@instruction
def count_up(_typing: object, shared: types.Type, index: types.Type) -> _Typed:
    """shared[index] += 1, at once for all threads."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = _at(context, builder, signature.args[0], args[0], args[1])
        builder.atomic_rmw("add", place, ir.Constant(_I64, 1), "seq_cst")
        return context.get_dummy_value()

    return types.none(types.Array(types.int64, 1, "C"), types.int64), made


@instruction
def change(
    _typing: object, shared: types.Type, index: types.Type, old: types.Type, new: types.Type
) -> _Typed:
    """Write `new` to shared[index] where it is `old`, and say whether it was."""

    def made(
        context: _Context, builder: ir.IRBuilder, signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        place = _at(context, builder, signature.args[0], args[0], args[1])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(types.Array(types.int64, 1, "C"), types.int64, types.int64, types.int64), made


@instruction
def pause(_typing: object) -> _Typed:
    """Let the processor's other work go on for a moment."""

    def made(
        context: _Context, builder: ir.IRBuilder, _signature: _Signature, _args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.none(), made


@instruction
def give_way(_typing: object) -> _Typed:
    """Let another thread have this processor."""

    def made(
        context: _Context, builder: ir.IRBuilder, _signature: _Signature, _args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(_I32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.none(), made


@instruction
def sleep(_typing: object, microseconds: types.Type) -> _Typed:
    """Leave the processor to others for so long."""

    def made(
        context: _Context, builder: ir.IRBuilder, _signature: _Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(_I32, [_I32])
        usleep = cgutils.get_or_insert_function(builder.module, kind, "usleep")
        builder.call(usleep, [builder.trunc(args[0], _I32)])
        return context.get_dummy_value()

    return types.none(types.int64), made


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
