"""Brings the streams of this process the new events of their tasks, whichever process wrote them.

One reading in a while for all tasks that somebody follows: a reading and a thread for each stream would keep
the loop and the interpreter busier than all the rest of the server.
"""

import asyncio
from collections import defaultdict

import anyio.to_thread
import structlog

from services.store.event_table import Events, News, Position

_POLL_S = 0.1
_log = structlog.get_logger(__name__)


class Feed:
    """Use in one event loop. It polls only while somebody waits."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._waiting: dict[Position, set[asyncio.Future[News]]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None
        self.closed = False

    async def next(self, number: int, since: int, timeout_s: float) -> News:
        """Wait for a task's events after `since`; none after `timeout_s`, and once the feed is closed."""
        nothing, position = News([], over=False), (number, since)
        if self.closed:
            return nothing
        news: asyncio.Future[News] = asyncio.get_running_loop().create_future()
        self._waiting[position].add(news)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(timeout_s):
                return await news
        except TimeoutError:
            return nothing
        finally:
            self._waiting[position].discard(news)
            if not self._waiting[position]:
                del self._waiting[position]

    @property
    def waiting(self) -> int:
        """How many streams wait for something new."""
        return sum(map(len, self._waiting.values()))

    def close(self) -> None:
        """Nobody waits any more, from now on."""
        self.closed = True
        self.wake()

    def wake(self) -> None:
        """Have everybody who waits look around, with nothing new."""
        for position in list(self._waiting):
            self._tell(position, News([], over=False))

    async def _poll(self) -> None:
        while self._waiting and not self.closed:
            positions = list(self._waiting)
            try:
                found = await anyio.to_thread.run_sync(self._events.news, positions)
            except Exception:  # the streams go on when the store is back
                _log.exception("new events could not be looked for")
                found = {}
            for position, news in found.items():
                self._tell(position, news)
            await asyncio.sleep(_POLL_S)

    def _tell(self, position: Position, news: News) -> None:
        for waiting in self._waiting.get(position, ()):
            if not waiting.done():
                waiting.set_result(news)
