"""How many requests a key may make: a bucket for each that holds a minute's share and fills up steadily."""

import math
import threading
import time
from collections.abc import Callable

from services.errors import Busy


class Rates:
    """Buckets in memory, of this process; there are as many as keys."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._size, self._now = float(per_minute), now
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, owner: str) -> None:
        """Count a request. Raises Busy, with the time until the next one is allowed."""
        now = self._now()
        with self._lock:
            left, at = self._left.get(owner, (self._size, now))
            left = min(self._size, left + (now - at) * self._size / 60)
            allowed = left >= 1
            self._left[owner] = (left - 1 if allowed else left, now)
        if not allowed:
            wait = max(1, math.ceil((1 - left) * 60 / self._size))
            raise Busy(
                f"this key may make {self._size:.0f} requests a minute; wait {wait} s", retry_after_s=wait
            )
