"""Where parallel work runs, so that the engine's own is not slowed down.

GNU OpenMP, which torch computes with on Linux, keeps a team of workers for every thread that ever ran a
parallel operation. Once it has more of them than there are cores, workers no longer wait busily for the next
operation but sleep; waking them costs as much as an operation of a small model takes, and decoding one row
takes twice as long. A team ends with its thread, so work beside the engine's runs on threads that end.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_own_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function on a thread of its own that ends with it; returns and raises what the function does."""
    with ThreadPoolExecutor(1, thread_name_prefix="own") as thread:
        return thread.submit(function, *args, **kwargs).result()
