"""How kernels are compiled, by numba and for this processor, and what instructions of our own are made of."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from platformdirs import user_cache_path

_OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy", "cache": True}


class Signature(Protocol):
    """Of a call: the types of its arguments."""

    args: Sequence[types.Type]


class Context(Protocol):
    """Numba's, of the code that is being written."""

    def get_dummy_value(self) -> ir.Value: ...  # noqa: D102


Typed = tuple[types.Type, Callable[..., ir.Value]]
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

    Numbers are rounded as they are written: a compiler that may take sums in another order does so by what
    it guesses of a loop, and a row would get other bits alone than beside others on some processors.
    """
    return cast("_Kernel", njit(**_OPTIONS)(function))


def instruction(function: Callable[..., Typed]) -> Callable[..., Any]:
    """Make of what numba is to write a function for kernels, without the first argument."""
    return cast("Callable[..., Any]", intrinsic(function))


def place_of(
    context: Context, builder: ir.IRBuilder, array: types.Type, value: ir.Value, index: ir.Value
) -> ir.Value:
    """Where a number of an array is."""
    return builder.gep(make_array(array)(context, builder, value).data, [index])
