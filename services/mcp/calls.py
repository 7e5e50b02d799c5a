"""One call of a tool: who calls, how it is told how far it is, and how its work stops when nobody waits."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread

from retrieval.progress import Progress
from services.errors import Unauthorized
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from swebench.running.stopping import Abandoned, heed

T = TypeVar("T")
Report = Callable[[float, float | None, str], Awaitable[None]]
_BEAT_S = 1.0
"""Callers that end a call after a time without news wait at least this long."""
_LOOK_S = 0.1
_STEP = 0.001


@dataclass
class Call:
    """`report` sends how far it is, of how much, and a sentence; where the caller asked for none, nothing.

    `threads` bounds the calls that compute outside the model at once.
    """

    runtime: Runtime
    owner: str
    report: Report
    threads: anyio.CapacityLimiter
    _reached: float = 0.0

    async def tell(self, said: str, reached: float = 0.0, of: float | None = None) -> None:
        """Say how far it is: the protocol wants a number that grows, whether there is an end to it or not."""
        self._reached = max(self._reached + _STEP, reached)
        await self.report(self._reached, of, said)

    async def model(self) -> Served:
        """The model in memory, waited for while it is loaded. Raises Unavailable once the server stops."""
        models, told = self.runtime.models, 0.0
        while models.served is None and models.failed is None and not models.stopping:
            if time.monotonic() - told > _BEAT_S:
                told = time.monotonic()
                await self.tell(f"{models.target} is being loaded")
            await asyncio.sleep(_LOOK_S)
        return models.serving()

    async def in_thread(self, doing: str, work: Callable[[Progress], T]) -> T:
        """What some blocking work comes to; its test runs end at once where the call does.

        `work` is given what it tells its progress, by which it is stopped too.
        Raises Unauthorized for a revoked key, and what the work raises.
        """
        self.runtime.models.refuse_when_stopping()
        unwanted, began = threading.Event(), time.monotonic()
        heed(unwanted)
        said = doing

        def progress(label: str, done: int, total: int) -> None:
            nonlocal said
            if unwanted.is_set():
                raise Abandoned(f"{doing} was stopped: nobody waits for it any more")
            said = f"{label}: {done}/{total}"

        async def beat(revoked: asyncio.Event) -> None:
            while not revoked.is_set():
                await self.tell(said, time.monotonic() - began)
                await asyncio.sleep(_BEAT_S)
            unwanted.set()

        with self.runtime.revocations.heeded(self.owner) as revoked:
            beating = asyncio.create_task(beat(revoked))
            try:
                return await anyio.to_thread.run_sync(
                    work, progress, limiter=self.threads, abandon_on_cancel=True
                )
            except Abandoned:
                raise Unauthorized("the key was revoked") from None
            finally:
                unwanted.set()
                beating.cancel()
