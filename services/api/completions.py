"""/v1/chat/completions, so that OpenAI's own client works unchanged; `steering` is ours.

A client that goes away stops its generation at the next token.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import replace

import anyio.to_thread
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from orchestrator.policy.decisions import Code
from services.api.access import Owner, RuntimeOf
from services.api.problems import documented, error_response, found_by
from services.chat import answers
from services.chat.choices import Choices
from services.chat.generate import Answer, Token, prepare
from services.chat.schemas import ChatRequest
from services.errors import ServiceError
from vectors.engine.requests import GenerationRequest

router = APIRouter(prefix="/v1", tags=["chat"])
_ERRORS = documented(400, 401, 403, 404, 429, 500, 503, openai=True)
_FRAME = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_CLIENT_GONE = 499
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


@router.post(
    "/chat/completions",
    response_model=answers.ChatCompletion,
    responses={
        200: {"content": {"text/event-stream": {"schema": _FRAME}}},
        **_ERRORS,
        **documented(413, 415, openai=True),
    },
)
async def complete(
    body: ChatRequest, request: Request, runtime: RuntimeOf, owner: Owner
) -> answers.ChatCompletion | Response:
    """Answer a conversation, whole or as a stream of chunks."""
    served = runtime.models.serving()
    prepared = await anyio.to_thread.run_sync(prepare, served, runtime.settings, owner, body)
    stamp = answers.Stamp(served.name, served.lm.digest)
    with ExitStack() as held:
        held.enter_context(runtime.gate.enter(prepared.most_tokens * body.n))
        revoked = held.enter_context(runtime.revocations.heeded(owner))
        choices = Choices([Answer(runtime, served, each, revoked) for each in _seeded(prepared, body.n)])
        await anyio.to_thread.run_sync(choices.submit, asyncio.get_running_loop())
        held.callback(choices.cancel)
        runtime.metrics.steered(applied=prepared.steering is not None, code=Code.REQUEST)
        if not body.stream:
            return await _whole(request, stamp, prepared, choices)
        wants_usage = body.stream_options is not None and body.stream_options.include_usage
        stream = _chunks(request, stamp, choices, body.n, wants_usage=wants_usage)
        return Held(stream, held.pop_all().close)


def _seeded(prepared: GenerationRequest, n: int) -> list[GenerationRequest]:
    """The request so many times, each with the seed after the one before."""
    sampling = prepared.sampling
    return [replace(prepared, sampling=replace(sampling, seed=sampling.seed + number)) for number in range(n)]


async def _whole(
    request: Request, stamp: answers.Stamp, prepared: GenerationRequest, choices: Choices
) -> answers.ChatCompletion | Response:
    async def collect() -> dict[int, list[Token]]:
        found: dict[int, list[Token]] = {}
        async for number, tokens in choices.tokens():
            found.setdefault(number, []).extend(tokens or ())
        return found

    reading, gone = asyncio.ensure_future(collect()), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            return Response(status_code=_CLIENT_GONE)
        return answers.whole(stamp, prepared, reading.result(), choices.generations)
    finally:
        reading.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _chunks(
    request: Request, stamp: answers.Stamp, choices: Choices, n: int, *, wants_usage: bool
) -> AsyncIterator[bytes]:
    for number in range(n):
        yield _framed(answers.chunk(stamp, number, answers.Delta(role="assistant", content="")))
    try:
        async for number, tokens in choices.tokens():
            if tokens is None:
                finish = choices.generation(number).finish_reason
                yield _framed(answers.chunk(stamp, number, answers.Delta(), finish=finish))
                continue
            piece = "".join(token.piece for token in tokens)
            scored = [token.logprob for token in tokens if token.logprob is not None]
            if piece or scored:
                yield _framed(answers.chunk(stamp, number, answers.Delta(content=piece), logprobs=scored))
    except Exception as error:
        yield format_sse_event(data_str=_error(request, error))
        return
    if wants_usage:
        yield _framed(answers.last_chunk(stamp, answers.usage(choices.generations)))
    yield format_sse_event(data_str="[DONE]")


def _error(request: Request, error: Exception) -> str:
    """What a stream that has begun ends with when it fails: OpenAI's client raises for it."""
    request_id = request.state.request_id
    if not isinstance(error, ServiceError):
        _log.error("generation failed", request_id=request_id, exc_info=error)
        error = ServiceError(f"the generation failed; {found_by(request_id)}")
    return bytes(error_response(request.url.path, request_id, error).body).decode()


def _framed(chunk: answers.Chunk) -> bytes:
    return format_sse_event(data_str=chunk.model_dump_json())
