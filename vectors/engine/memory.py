"""Freed memory, given back to the system.

glibc keeps what is freed in pieces between what is still held. The tensors of a pass and the recorded states
of prefixes come in every size and live for very different times, so an engine in constant use grows by more
than a mebibyte a request although it holds no more than before (measured: SmolLM2-135M in float32).
"""

import ctypes
import sys
from typing import Any

from vectors.models.streaming import give_back

_malloc_trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def trim() -> None:
    """Give back the pages that hold nothing, where the C library can (glibc), and those of files that are
    mapped, which are there again when they are read; some ten milliseconds.
    """
    give_back()
    if _malloc_trim is not None:
        _malloc_trim(0)
