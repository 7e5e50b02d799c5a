"""Ends test runs that nobody waits for any more: a thread cannot be interrupted, what it waits for can."""

import subprocess
import threading
import time
from contextvars import ContextVar

from swebench.errors import SwebenchError

_LOOK_S = 0.2
_unwanted: ContextVar[threading.Event | None] = ContextVar("unwanted", default=None)


class Abandoned(SwebenchError):
    """Nobody waits for this any more."""


def heed(unwanted: threading.Event) -> None:
    """Have the test runs of this context end once that is set, those of tasks and threads begun in it too."""
    _unwanted.set(unwanted)


def ended_in_time(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for a process, at most so many seconds; raises Abandoned as soon as nobody wants its end."""
    unwanted = _unwanted.get()
    until = time.monotonic() + timeout_s
    while True:
        if unwanted is not None and unwanted.is_set():
            raise Abandoned("the test run was stopped: nobody waits for it any more")
        left = until - time.monotonic()
        try:
            process.wait(max(0.0, left if unwanted is None else min(left, _LOOK_S)))
        except subprocess.TimeoutExpired:
            if left <= 0 or unwanted is None:
                return False
        else:
            return True
