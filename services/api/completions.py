"""/v1/chat/completions, so that OpenAI's own client works unchanged; `steering` is ours.

A client that goes away stops its generation at the next token.
"""

from collections.abc import AsyncIterator

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.api.streaming import CLIENT_GONE, FRAME, Held, frames, unless_gone
from services.chat import answers
from services.chat.calling import Reader
from services.chat.choices import Choices, begun
from services.chat.messages import Delta
from services.chat.preparing import Prepared, prepare, seeded
from services.chat.readings import at_end, of_tokens
from services.chat.schemas import ChatRequest

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post(
    "/chat/completions",
    response_model=answers.ChatCompletion,
    responses={
        200: {"content": {"text/event-stream": {"schema": FRAME}}},
        **documented(400, 401, 403, 404, 413, 415, 429, 500, 503, openai=True),
    },
)
async def complete(
    body: ChatRequest, request: Request, runtime: RuntimeOf, owner: Owner
) -> answers.ChatCompletion | Response:
    """Answer a conversation, whole or as a stream of chunks."""
    served = runtime.models.serving()
    prepared = await anyio.to_thread.run_sync(prepare, served, runtime.settings, owner, body)
    stamp = answers.Stamp(served.name, served.lm.digest, served.lm.tokenizer)
    async with begun(runtime, served, owner, seeded(prepared.request, body.n)) as held:
        if body.stream:
            chunks = _chunks(stamp, prepared, held.choices, body)
            return Held(frames(request, chunks), held.kept())
        tokens = await unless_gone(request, held.choices.collected())
        if tokens is None:
            return Response(status_code=CLIENT_GONE)
        return answers.whole(stamp, prepared, tokens, held.choices.generations)


async def _chunks(
    stamp: answers.Stamp, prepared: Prepared, choices: Choices, asked: ChatRequest
) -> AsyncIterator[answers.Chunk]:
    readers = [Reader(prepared.calling) for _ in range(asked.n)]
    compared = [0] * asked.n
    for number in range(asked.n):
        yield answers.chunk(stamp, number, Delta(role="assistant", content=""))
    async for number, tokens in choices.tokens():
        reader = readers[number]
        if tokens is None:
            for part in reader.rest():
                yield answers.chunk(stamp, number, Delta.of(part))
            finish = answers.finish(reader, choices.generation(number))
            known = at_end(asked, choices.generation(number), compared[number])
            yield answers.chunk(stamp, number, Delta(), finish=finish, readings=known)
            continue
        deltas = [Delta.of(part) for part in reader.read("".join(token.piece for token in tokens))]
        apart = choices.answers[number].divergences(compared[number])
        compared[number] += len(apart)
        told, read = tokens if asked.logprobs else [], of_tokens(asked, tokens, apart)
        for delta in deltas or [Delta(content="")] * bool(told or read):
            yield answers.chunk(stamp, number, delta, tokens=told, readings=read)
            told, read = [], None
    if asked.wants_usage:
        yield answers.last_chunk(stamp, answers.usage(choices.generations))
