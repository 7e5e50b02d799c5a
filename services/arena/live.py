"""What goes on in this process: its events as they are told, who follows, and the store that keeps them.

Events reach followers at once and the store once a second, so that a process that is killed leaves what it
showed. The same write says that the work goes on.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import anyio.to_thread
import structlog
from pydantic import BaseModel, JsonValue

from services.errors import StoreTrouble
from services.store import Store
from services.store.arena_table import Events, ShownState, StoredResult

GRACE_S = 5.0
"""In which somebody has to come back when the last follower has gone, before the work is stopped."""
_KEEP_S = 1.0
_log = structlog.get_logger(__name__)


class Live:
    """One run or batch that goes on. Use in the server's loop alone."""

    def __init__(self, store: Store, stored: StoredResult) -> None:
        self.stored, self._store = stored, store
        self._stops: list[Callable[[], None]] = []
        self.before = stored.last_event
        """The number of the last event that an earlier process told."""
        self._told: list[dict[str, JsonValue]] = []
        self._kept = self.before
        self._news, self._ending = asyncio.Event(), asyncio.Event()
        self._followers = 0
        self.over = self.cancelled = False
        self._keeping = asyncio.create_task(self._keep())

    @property
    def last_event(self) -> int:
        """The number of the last event."""
        return self.before + len(self._told)

    def tell(self, event: BaseModel) -> None:
        """Number an event and hand it to whoever follows."""
        self._told.append(self._numbered(event))
        self._wake()

    def after(self, since: int) -> Events:
        """The events of this process after that number."""
        return self._told[max(0, since - self.before) :]

    async def news(self, since: int, patience_s: float) -> Events:
        """Wait for events after that number; none after `patience_s`, and none where it is over."""
        if not self.after(since) and not self.over:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
        return self.after(since)

    def cancel(self) -> None:
        """Stop at the next token; what there is is kept."""
        if not self.over:
            self.cancelled = True
            for stop in self._stops:
                stop()

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While this is entered, `stop` is what stops something of it at the next token."""
        self._stops.append(stop)
        if self.cancelled:
            stop()
        try:
            yield
        finally:
            self._stops.remove(stop)

    def followed(self) -> Callable[[], None]:
        """Somebody follows, until what is returned is called. When the last one has gone for longer than
        GRACE_S, the work is stopped.
        """
        held = ExitStack()
        held.enter_context(self._followed())
        return held.close

    @contextmanager
    def _followed(self) -> Iterator[None]:
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers and not self.over:
                asyncio.get_running_loop().call_later(GRACE_S, self._cancel_if_left)

    def _cancel_if_left(self) -> None:
        if not self._followers:
            self.cancel()

    async def end(
        self, state: ShownState, last: BaseModel, result: BaseModel | None, error: str | None = None
    ) -> None:
        """Keep all of it, then tell the last event; where it cannot be kept, tell it all the same.

        Nobody sees that event before the store says that it is over: who had it would not ask again.
        """
        self._ending.set()
        try:
            await self._keeping
            document = None if result is None else result.model_dump(mode="json")
            left = [*self.after(self._kept), self._numbered(last)]
            arguments = (self.stored.number, state, self._kept + 1, left, document, error)
            await anyio.to_thread.run_sync(self._store.arena.end, *arguments)
        except StoreTrouble:
            _log.exception("what the arena showed could not be kept", result=self.stored.id)
        finally:
            self._told.append(self._numbered(last))
            self.over = True
            self._wake()

    async def _keep(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_KEEP_S):
                    await self._ending.wait()
                    return
            events = self.after(self._kept)
            arguments = (self.stored.number, self._kept + 1, events)
            try:
                await anyio.to_thread.run_sync(self._store.arena.record, *arguments)
            except StoreTrouble:  # the store may come back
                _log.exception("what the arena shows could not be kept", result=self.stored.id)
            else:
                self._kept += len(events)

    def _numbered(self, event: BaseModel) -> dict[str, JsonValue]:
        """The next event."""
        return {"seq": self.last_event + 1, **event.model_dump(mode="json")}

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
