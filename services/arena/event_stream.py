"""Events of runs and batches as a stream that can be read again from any number on."""

import json
from collections.abc import AsyncIterator

import anyio.to_thread
from fastapi import Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, JsonValue

from services.api.streaming import Held
from services.arena.arena import Arena
from services.arena.live import Live
from services.store.arena_table import StoredResult

_KEEP_ALIVE_S = 15.0
_LAST = ("run_ended", "run_failed", "batch_ended", "batch_failed")


def described(event: str, failed: str) -> dict[str, JsonValue]:
    """One event for the API's description, by the names of its forms; its data holds its number as `seq` too,
    where it has one.
    """
    numbered: JsonValue = {
        "allOf": [
            {"$ref": f"#/components/schemas/{event}"},
            {"type": "object", "properties": {"seq": {"type": "integer"}}, "required": ["seq"]},
        ]
    }
    content: JsonValue = {"anyOf": [numbered, {"$ref": f"#/components/schemas/{failed}"}]}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": content},
        },
        "required": ["event", "data"],
    }


def streamed(
    arena: Arena, stored: StoredResult, since: int, interrupted: BaseModel, *, leaving_stops: bool
) -> Response:
    """The events after that number; `interrupted` is what is said at the end where its server is gone.

    204 where it is over and there are none. With `leaving_stops` the last follower that leaves stops it.
    """
    if stored.over and stored.state != "interrupted" and since >= stored.last_event:
        return Response(status_code=204)  # tells a browser's EventSource not to come back
    live = arena.live.get(stored.number)
    leave = live.followed() if live and leaving_stops else lambda: None
    return Held(_frames(arena, stored, live, since, interrupted), leave)


async def _frames(
    arena: Arena, stored: StoredResult, live: Live | None, since: int, interrupted: BaseModel
) -> AsyncIterator[bytes]:
    last = None
    async for found in arena.follow(stored, live, since, _KEEP_ALIVE_S):
        last = found[-1]["kind"] if found else last
        yield b"".join(map(_framed, found)) or KEEPALIVE_COMMENT
    if last not in _LAST:
        store = arena.runtime.store.arena
        now = await anyio.to_thread.run_sync(store.get, stored.owner, stored.kind, stored.id)
        if now is not None and now.state == "interrupted":
            document = interrupted.model_dump(mode="json")
            yield format_sse_event(event=document["kind"], data_str=json.dumps(document))


def _framed(event: dict[str, JsonValue]) -> bytes:
    """JSON holds no line breaks, so a text cannot end a frame."""
    data = json.dumps(event, ensure_ascii=False)
    return format_sse_event(id=str(event["seq"]), event=str(event["kind"]), data_str=data)
