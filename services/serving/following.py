"""What a task tells, as it comes, from any event on until it is over, whichever process works on it."""

from collections.abc import AsyncIterator

import anyio.to_thread

from services.errors import Unauthorized, Unavailable
from services.serving.runtime import Runtime
from services.store.records import StoredEvent, StoredTask


async def followed(
    runtime: Runtime, task: StoredTask, since: int, patience_s: float
) -> AsyncIterator[list[StoredEvent]]:
    """Yield events after that number, all that are there at once, and none where none came for so long.

    Raises Unauthorized once the owner's key is revoked, and Unavailable once the server stops.
    """
    with runtime.revocations.heeded(task.owner) as revoked:
        found, over = await anyio.to_thread.run_sync(runtime.store.events.after, task.number, since)
        while True:
            if found:
                since = found[-1].seq
                yield found
            if over:
                return
            if revoked.is_set():
                raise Unauthorized("the key was revoked")
            if runtime.feed.closed:
                raise Unavailable("the server stops; the task goes on with the next one", retry_after_s=5)
            found, over = await runtime.feed.next(task.number, since, patience_s)
            if not (found or over or runtime.feed.closed or revoked.is_set()):
                yield []
