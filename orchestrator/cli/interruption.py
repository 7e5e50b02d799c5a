"""Ctrl-C while libraries are imported.

An import that is interrupted leaves half a module behind, and torch passes over the interruption: what
follows fails with errors that say nothing of it. So Ctrl-C waits until no import goes on, a second or two.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.05
_IMPORTING = "<frozen importlib"


@contextmanager
def after_imports() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt in here, but never inside an import.

    For commands without an event loop, which heeds Ctrl-C in a way of its own. Where something else heeds it
    already, nothing changes.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            # To this thread, so that it wakes up whatever it waits for by then.
            again = threading.Timer(_AGAIN_S, signal.pthread_kill, (threading.get_ident(), number))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt
