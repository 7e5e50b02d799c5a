"""Answers that are sent as they come, and answers that are waited for, whoever goes away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog
from fastapi import Request
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from services.api.problems import error_response, found_by
from services.errors import ServiceError

CLIENT_GONE = 499
T = TypeVar("T")
FRAME = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_log = structlog.get_logger(__name__)


class Held(EventSourceResponse):
    """A stream that gives back what it holds however it ends, even if it never began."""

    def __init__(self, content: AsyncIterator[bytes], release: Callable[[], None]) -> None:
        super().__init__(content, headers={"X-Accel-Buffering": "no"})
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


async def frames(request: Request, chunks: AsyncIterator[BaseModel]) -> AsyncIterator[bytes]:
    """Yield chunks as OpenAI's client reads them: its end, or an error, which it raises, comes last."""
    try:
        async for chunk in chunks:
            yield format_sse_event(data_str=chunk.model_dump_json())
    except Exception as error:
        yield format_sse_event(data_str=error_data(request, error))
        return
    yield format_sse_event(data_str="[DONE]")


async def unless_gone(request: Request, work: Awaitable[T]) -> T | None:
    """What some work comes to; None where the client has gone before, and the work is cancelled."""
    doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        doing.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def error_data(request: Request, error: Exception) -> str:
    """What a stream says of the error that it ends with, as JSON."""
    request_id = request.state.request_id
    if not isinstance(error, ServiceError):
        _log.error("generation failed", request_id=request_id, exc_info=error)
        error = ServiceError(f"the generation failed; {found_by(request_id)}")
    return bytes(error_response(request.url.path, request_id, error).body).decode()
