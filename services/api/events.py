"""/v1/tasks/{id}/events: what a task tells, as server-sent events that can be read again from any number on.

Only what is in the store is sent, so a reader that comes back with the last number it saw misses nothing and
gets nothing twice. The format is the framework's; its generator routes are not used, because they hand each
event on through two queues, at five times the processor's time, and cannot answer that there is nothing left.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import Field

from orchestrator.policy.decisions import Record
from services.api.access import RuntimeOf
from services.api.forms import Absent
from services.api.problems import documented
from services.api.tasks import OwnedTask
from services.errors import Unauthorized, Unavailable
from services.serving.following import followed
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
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "oneOf": [
                    {
                        "allOf": [
                            {"$ref": "#/components/schemas/TaskEvent"},
                            {
                                "type": "object",
                                "properties": {"seq": {"type": "integer"}, "at": {"type": "number"}},
                                "required": ["seq", "at"],
                            },
                        ]
                    },
                    {"$ref": "#/components/schemas/Closing"},
                ]
            },
        },
    },
    "required": ["event", "data"],
}
"""One event; a description of OpenAPI 3.1 has no place for the schema of a whole stream."""


class Closing(Record):
    """The stream ends before the task does, for a reason that is no event of it. It has no number."""

    kind: Literal["closing"] = "closing"
    reason: str = "the server stops; come back with Last-Event-ID"


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
    return EventSourceResponse(_frames(runtime, task, start), headers={"X-Accel-Buffering": "no"})


async def _frames(runtime: Runtime, task: StoredTask, since: int) -> AsyncIterator[bytes]:
    try:
        async for found in followed(runtime, task, since, _KEEP_ALIVE_S):
            yield b"".join(map(_framed, found)) or KEEPALIVE_COMMENT
    except (Unauthorized, Unavailable) as error:
        closing = Closing(reason="the key was revoked") if isinstance(error, Unauthorized) else Closing()
        yield format_sse_event(event=closing.kind, data_str=closing.model_dump_json())


def _framed(stored: StoredEvent) -> bytes:
    """One event in the stream's format; JSON holds no line breaks, so a text cannot end the frame."""
    document = {"seq": stored.seq, "at": stored.at, **stored.event.model_dump(mode="json")}
    data = json.dumps(document, ensure_ascii=False)
    return format_sse_event(id=str(stored.seq), event=stored.event.kind, data_str=data)
