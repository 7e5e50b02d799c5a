"""/v1/tasks/{id}/events: what a task tells, as server-sent events that can be read again from any number on.

Only what is in the store is sent, so a reader that comes back with the last number it saw misses nothing and
gets nothing twice.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Response
from pydantic import Field
from starlette.responses import StreamingResponse

from services.api.access import RuntimeOf
from services.api.forms import Absent
from services.api.problems import documented
from services.api.tasks import OwnedTask
from services.serving.runtime import Runtime
from services.store.records import StoredEvent, StoredTask

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

_KEEP_ALIVE_S = 15.0
_Number = Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
_FRAME = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
"""One event; a description of OpenAPI 3.1 has no place for the schema of a whole stream."""


@router.get(
    "/{task_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Events, each with its number as id, its kind as event and JSON as data.",
            "content": {"text/event-stream": {"schema": _FRAME}},
        },
        204: {"description": "The task is over and has no events after that number."},
        **documented(401, 403, 404, 422, 429),
    },
)
async def events(
    task: OwnedTask,
    runtime: RuntimeOf,
    last_event_id: Annotated[_Number | Absent, Header(alias="Last-Event-ID")] = None,
    since: Annotated[int, Query(ge=0, lt=10**15)] = 0,
) -> Response:
    """Follow a task until it is over, beginning after `Last-Event-ID`, else after `since`."""
    start = since if last_event_id is None else int(last_event_id)
    if task.final and start >= task.last_event:
        return Response(status_code=204)  # tells a browser's EventSource not to come back
    return StreamingResponse(
        _followed(runtime, task, start), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _followed(runtime: Runtime, task: StoredTask, since: int) -> AsyncIterator[bytes]:
    found, over = await anyio.to_thread.run_sync(runtime.store.events.after, task.number, since)
    while True:
        for event in found:
            since = event.seq
            yield _framed(event)
        if over:
            return
        if runtime.feed.closed:
            yield b'event: closing\ndata: {"reason": "the server stops; come back with Last-Event-ID"}\n\n'
            return
        found, over = await runtime.feed.next(task.number, since, _KEEP_ALIVE_S)
        if not (found or over or runtime.feed.closed):
            yield b": still here\n\n"


def _framed(event: StoredEvent) -> bytes:
    """One event in the stream's format; JSON holds no line breaks, so a text cannot end the frame."""
    data = json.dumps({"seq": event.seq, "at": event.at, **event.data}, ensure_ascii=False)
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()
