"""Keeps the log readable: of the same complaint a few a minute, and then how many were left out."""

import logging
import threading
import time
from collections.abc import Callable

_MOST = 5
_EVERY_S = 60.0


class Throttle(logging.Filter):
    """For warnings and errors; told apart by logger and event, not by what else they say."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        if record.levelno < logging.WARNING:
            return True
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        key, now = (record.name, str(event)[:200]), self._now()
        with self._lock:
            since, count = self._told.get(key, (now, 0))
            left_out = max(0, count - _MOST) if now - since >= _EVERY_S else 0
            if now - since >= _EVERY_S:
                since, count = now, 0
            self._told[key] = since, count + 1
        if left_out and isinstance(record.msg, dict):
            record.msg["left_out"] = left_out
        elif left_out:
            record.msg = f"{record.msg} ({left_out} more were left out)"
        return count < _MOST
