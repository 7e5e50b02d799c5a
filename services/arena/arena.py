"""All of the arena that goes on in one server process: begun, found, followed, and waited for at the end."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, Request
from pydantic import JsonValue

from services.arena.batch_forms import BatchRequest, KeptBatch, cells_in
from services.arena.batching import Batching
from services.arena.columns import planned, settled
from services.arena.kept_answers import KeptAnswers
from services.arena.live import Live
from services.arena.run_answers import Kept
from services.arena.run_requests import RunRequest
from services.arena.showing import Showing
from services.arena.turns import Turns
from services.chat.answers import steered
from services.chat.choices import begun
from services.errors import Conflict
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from services.store.arena_table import Events, Kind, StoredResult

_LOOK_S = 0.5
"""How often the store is asked about a run of another process."""


class Arena:
    """What the arena's routes work with."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.live: dict[int, Live] = {}
        self.turns = Turns()
        self.kept = KeptAnswers(runtime.models.cache)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, owner: str, asked: RunRequest) -> StoredResult:
        """Begin a run. Raises Invalid, NotFound, Busy, Unavailable, StoreTrouble."""
        began = time.perf_counter()
        served, settings = self.runtime.models.serving(), self.runtime.settings
        asked = asked.model_copy(update=settled(asked, served))
        plan = await anyio.to_thread.run_sync(
            planned, served, settings, owner, asked, asked.prompt, asked.alternatives
        )
        kept = Kept(
            asked=asked,
            prompt_tokens=len(plan.columns[0].prompt_ids),
            steered=[steered(row) or [] for row in plan.columns],
        )
        document = kept.model_dump(mode="json", exclude_unset=True)
        async with begun(self.runtime, served, owner, plan.rows) as held:
            stored = await self._created(owner, "run", served.name, document)
            live = Live(self.runtime.store, stored)
            showing = Showing(live, served, plan, held.choices, began)
            self.start(live, showing.run(), held.kept())
        return stored

    async def begin_batch(self, owner: str, asked: BatchRequest) -> StoredResult:
        """Begin a batch, whose first prompt is checked here. Raises as `begin` does."""
        served, settings = self.runtime.models.serving(), self.runtime.settings
        asked = asked.model_copy(update=settled(asked, served))
        prompts = asked.prompts
        if prompts is None:
            prompts = await anyio.to_thread.run_sync(_prompts_of, served, asked.domain or "")
        plan = await anyio.to_thread.run_sync(planned, served, settings, owner, asked, prompts[0])
        kept = KeptBatch(asked=asked, prompts=prompts, steered=[steered(row) or [] for row in plan.columns])
        stored = await self._created(
            owner, "batch", served.name, kept.model_dump(mode="json", exclude_unset=True)
        )
        self._go_on(served, stored, kept, ())
        return stored

    async def resume_batch(self, stored: StoredResult) -> StoredResult:
        """Go on with a batch that is over before its end. Raises Conflict for another, Unavailable."""
        served, store = self.runtime.models.serving(), self.runtime.store.arena
        kept, events = KeptBatch.of(stored), await anyio.to_thread.run_sync(store.events, stored.number)
        columns = Counter(cell.prompt for cell in cells_in(events))
        done = [prompt for prompt, count in columns.items() if count == len(kept.asked.columns)]
        if stored.state == "done":
            raise Conflict("the batch is done: there is nothing left of it")
        opened = await anyio.to_thread.run_sync(store.reopen, stored.number)
        if opened is None:
            raise Conflict("the batch goes on")
        self._go_on(served, opened, kept, done)
        return opened

    def _go_on(self, served: Served, stored: StoredResult, kept: KeptBatch, done: Collection[int]) -> None:
        live = Live(self.runtime.store, stored)
        self.start(live, Batching(self.runtime, live, served, kept, done).run(), lambda: None)

    async def _created(
        self, owner: str, kind: Kind, model: str, document: dict[str, JsonValue]
    ) -> StoredResult:
        most = self.runtime.settings.arena_results
        return await anyio.to_thread.run_sync(
            self.runtime.store.arena.create, owner, kind, model, document, most
        )

    def start(self, live: Live, work: Coroutine[None, None, None], release: Callable[[], None]) -> None:
        """Let work go on beside the requests, and let go of what it holds at its end."""
        self.live[live.stored.number] = live

        async def worked() -> None:
            try:
                await work
            finally:
                release()
                del self.live[live.stored.number]

        task = asyncio.create_task(worked())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def follow(
        self, stored: StoredResult, live: Live | None, since: int, patience_s: float
    ) -> AsyncIterator[Events]:
        """Yield events after that number, all that are there at once, and none where none came for so long.

        Ends with the last one, and where the server that worked on it is gone or this one stops.
        """
        if live is None or since < live.before:
            async for events in self._kept(stored, since, patience_s, upto=live):
                since = int(str(events[-1]["seq"])) if events else since
                yield events
        while live is not None:
            events = await live.news(since, patience_s)
            if not events and live.over:
                return
            since = int(str(events[-1]["seq"])) if events else since
            yield events

    async def _kept(
        self, stored: StoredResult, since: int, patience_s: float, upto: Live | None
    ) -> AsyncIterator[Events]:
        store, waited = self.runtime.store.arena, 0.0
        while True:
            over = stored.over
            events = await anyio.to_thread.run_sync(store.events, stored.number, since)
            if upto is not None:
                events = [each for each in events if int(str(each["seq"])) <= upto.before]
            if events:
                since, waited = int(str(events[-1]["seq"])), 0.0
                yield events
            elif waited >= patience_s:
                waited = 0.0
                yield events
            if over or upto is not None or self.runtime.feed.closed:
                return
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S
            found = await anyio.to_thread.run_sync(store.get, stored.owner, stored.kind, stored.id)
            if found is None:
                return
            stored = found

    async def events(self, stored: StoredResult) -> Events:
        """All that one has told so far."""
        live = None if stored.over else self.live.get(stored.number)
        earlier: Events = []
        if live is None or live.before:
            earlier = await anyio.to_thread.run_sync(self.runtime.store.arena.events, stored.number)
        return earlier if live is None else [*earlier[: live.before], *live.after(live.before)]

    async def stopped(self, stored: StoredResult) -> bool:
        """Stop what goes on here at its next token, else delete what is over; whether it was stopped.

        Raises Conflict where another server works on it.
        """
        if (live := self.live.get(stored.number)) is not None:
            live.cancel()
            return True
        if not stored.over:
            raise Conflict(f"the {stored.kind} goes on at another server: stop it there")
        await anyio.to_thread.run_sync(self.runtime.store.arena.forget, stored.number)
        return False

    def check_model(self, model: str | None) -> None:
        """Raises Conflict where another model is in memory than that something ran on, Unavailable."""
        if model != (name := self.runtime.models.serving().name):
            raise Conflict(f"it ran on {model}, and {name} is in memory: load that model first")

    async def stop(self) -> None:
        """Wait for what goes on, which a stopping runtime cuts off in time."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def _prompts_of(served: Served, domain: str) -> list[str]:
    """A domain's prompts, without their neutral twins. Raises PromptSetError."""
    return list(served.session.vectors.domains.load(domain).prompts.positive)


async def arena_of(request: Request) -> Arena:
    """The server's arena. A coroutine, because FastAPI calls anything else in a thread."""
    arena: Arena = request.app.state.arena
    return arena


ArenaOf = Annotated[Arena, Depends(arena_of)]
