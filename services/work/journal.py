"""What a running task tells, on its way into the store.

Events are written by a thread in batches, because each write waits for the disk: neither the engine nor the
graph waits for it. Texts of one node that follow one another become one event.
"""

import asyncio
from collections.abc import Callable, Sequence

from orchestrator.events import TaskEvent, Tokens
from services.errors import LostClaim
from services.store.claims import Claim, Claims

_GATHER_S = 0.05


class Journal:
    """The events of one claim. `on_lost` is called when they cannot be written any more."""

    def __init__(self, claims: Claims, claim: Claim, on_lost: Callable[[], None]) -> None:
        self._claims, self._claim, self._on_lost = claims, claim, on_lost
        self._waiting: list[TaskEvent] = []
        self._closed = False
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._write())

    def add(self, event: TaskEvent) -> None:
        """Take an event, in the loop's own thread, and return at once."""
        self._waiting.append(event)
        self._arrived.set()

    async def close(self) -> None:
        """Write what is left. Raises what writing raised, but LostClaim."""
        self._closed = True
        self._arrived.set()
        await self._task

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_GATHER_S)
            self._arrived.clear()
            events, self._waiting = merged(self._waiting), []
            over = self._closed
            if events:
                try:
                    await asyncio.to_thread(self._claims.record, self._claim, events)
                except LostClaim:
                    self._on_lost()
                    return
                except Exception:
                    self._on_lost()  # what cannot be written down must not go on
                    raise
            if over:
                return


def merged(events: Sequence[TaskEvent]) -> list[TaskEvent]:
    """The same events, with neighbouring texts of one node as one."""
    found: list[TaskEvent] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Tokens) and isinstance(last, Tokens) and event.node == last.node:
            found[-1] = event.model_copy(update={"text": last.text + event.text})
        else:
            found.append(event)
    return found
