"""Work of seconds that is no answer of the model: one piece at a time, on a thread beside the loop's."""

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from services.errors import Busy
from vectors.threads import in_own_thread

_T = TypeVar("_T")
_MOST = 5
"""In hand at once: one that is done, and those that wait."""


class Turns:
    """For one loop. Whoever waits holds none of the threads that read and write the store for requests."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(1)
        self._in_hand = 0

    async def take(self, work: Callable[[], _T]) -> _T:
        """Do it when those before are done. Raises Busy where too many wait, and what the work does."""
        if self._in_hand >= _MOST:
            raise Busy("vectors are being computed for others; try again", retry_after_s=5)
        self._in_hand += 1
        try:
            return await anyio.to_thread.run_sync(in_own_thread, work, limiter=self._limiter)
        finally:
            self._in_hand -= 1
