"""/v1/responses as OpenAI's client asks for it: one answer in text, whole or as a stream of events."""

import json
from collections.abc import AsyncIterator

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.sse import format_sse_event

from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.api.streaming import CLIENT_GONE, FRAME, Held, error_data, unless_gone
from services.chat.answers import Stamp
from services.chat.choices import Choices, begun
from services.chat.generate import Token
from services.chat.preparing import prepare
from services.chat.response_answers import Event, ModelResponse, Responding
from services.chat.response_requests import ResponseRequest

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post(
    "/responses",
    response_model=ModelResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": FRAME}}},
        **documented(400, 401, 403, 404, 413, 415, 429, 500, 503, openai=True),
    },
)
async def respond(
    body: ResponseRequest, request: Request, runtime: RuntimeOf, owner: Owner
) -> ModelResponse | Response:
    """Answer a text or a conversation, whole or as a stream of events; nothing is kept."""
    served = runtime.models.serving()
    prepared = await anyio.to_thread.run_sync(prepare, served, runtime.settings, owner, body.chat())
    responding = Responding(Stamp(served.name, served.lm.digest, served.lm.tokenizer), body, prepared)
    async with begun(runtime, served, owner, [prepared.request]) as held:
        if body.stream:
            return Held(_frames(request, responding, held.choices), held.kept())
        tokens = await unless_gone(request, held.choices.collected())
        if tokens is None:
            return Response(status_code=CLIENT_GONE)
        return responding.whole(held.choices.generation(0), tokens[0])


async def _frames(request: Request, responding: Responding, choices: Choices) -> AsyncIterator[bytes]:
    try:
        async for event in _events(responding, choices):
            yield format_sse_event(data_str=event.model_dump_json(), event=event.type)
    except Exception as error:
        failed = responding.failed(json.loads(error_data(request, error))["error"])
        yield format_sse_event(data_str=json.dumps(failed), event="error")


async def _events(responding: Responding, choices: Choices) -> AsyncIterator[Event]:
    every: list[Token] = []
    for event in responding.begun():
        yield event
    async for _, tokens in choices.tokens():
        every += tokens or ()
        for event in responding.told(tokens or ()):
            yield event
    for event in responding.ended(choices.generation(0), every):
        yield event
