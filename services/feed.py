"""Tells the streams of this process that a task has new events, whichever process wrote them.

One query in a while for all tasks that somebody follows: its cost does not grow with the streams.
"""

import asyncio
from collections import defaultdict

import anyio.to_thread
import structlog

from services.store.events import Events

_POLL_S = 0.1
_log = structlog.get_logger(__name__)


class Feed:
    """Use in one event loop. It polls only while somebody waits."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._waiting: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._seen: dict[int, int] = {}
        self._poller: asyncio.Task[None] | None = None
        self.closed = False

    async def wait(self, number: int, since: int, timeout_s: float) -> bool:
        """Wait until a task has events after `since` or the feed is closed; False after `timeout_s`."""
        if self.closed or self._seen.get(number, since) > since:
            return True
        woken = asyncio.Event()
        self._waiting[number].add(woken)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(timeout_s):
                await woken.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiting[number].discard(woken)
            if not self._waiting[number]:
                del self._waiting[number]
                self._seen.pop(number, None)

    def close(self) -> None:
        """Wake everybody; nobody waits from now on."""
        self.closed = True
        for waiting in self._waiting.values():
            for woken in waiting:
                woken.set()

    async def _poll(self) -> None:
        while self._waiting and not self.closed:
            numbers = list(self._waiting)
            try:
                heads = await anyio.to_thread.run_sync(self._events.heads, numbers)
            except Exception:  # the streams go on when the store is back
                _log.exception("new events could not be looked for")
                heads = {}
            for number, head in heads.items():
                if self._seen.get(number) != head:
                    self._seen[number] = head
                    for woken in self._waiting.get(number, ()):
                        woken.set()
            await asyncio.sleep(_POLL_S)
