"""/v1/completions as OpenAI's client has it, /tokenize and /detokenize as vLLM's callers do."""

from collections.abc import AsyncIterator, Sequence

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.api.streaming import CLIENT_GONE, FRAME, Held, frames, unless_gone
from services.chat import text_answers
from services.chat.answers import Stamp
from services.chat.choices import Choices, begun
from services.chat.preparing import ids_of_text, ids_of_turns, model_of, prepare_texts, seeded
from services.chat.text_requests import DetokenizeRequest, TextRequest, TokenizeRequest
from services.errors import Invalid
from vectors.engine.requests import GenerationRequest

router = APIRouter(tags=["chat"])
_ERRORS = documented(400, 401, 403, 404, 413, 415, 429, 500, 503, openai=True)


class Tokenized(BaseModel):
    """The tokens of a text, and how many the model takes."""

    count: int
    max_model_len: int
    tokens: list[int]


class Detokenized(BaseModel):
    """The text of tokens."""

    prompt: str


@router.post(
    "/v1/completions",
    response_model=text_answers.TextCompletion,
    responses={200: {"content": {"text/event-stream": {"schema": FRAME}}}, **_ERRORS},
)
async def complete_texts(
    body: TextRequest, request: Request, runtime: RuntimeOf, owner: Owner
) -> text_answers.TextCompletion | Response:
    """Go on with texts, whole or as a stream of chunks."""
    served = runtime.models.serving()
    prepared = await anyio.to_thread.run_sync(prepare_texts, served, runtime.settings, owner, body)
    requests = [each for prompt in prepared for each in seeded(prompt, body.n)]
    stamp = Stamp(served.name, served.lm.digest, served.lm.tokenizer, prefix="cmpl")
    told = {
        number: text_answers.Told(number, each, _echoed(stamp, body, number // body.n, each), stamp.tokenizer)
        for number, each in enumerate(requests)
    }
    async with begun(runtime, served, owner, requests) as held:
        choices = held.choices
        if body.stream:
            return Held(frames(request, _chunks(stamp, choices, told, requests, body)), held.kept())
        tokens = await unless_gone(request, choices.collected())
        if tokens is None:
            return Response(status_code=CLIENT_GONE)
        used = text_answers.usage(requests, choices.generations, body.n)
        found = [
            told[number].choice(tokens[number], generation.finish_reason)
            for number, generation in enumerate(choices.generations)
        ]
        return text_answers.completion(stamp, found, used=used, request=requests[0])


def _echoed(stamp: Stamp, asked: TextRequest, number: int, request: GenerationRequest) -> str | None:
    """What a text begins with: its prompt, where that is to be echoed."""
    if not asked.echo:
        return None
    prompt = asked.prompts[number]
    if isinstance(prompt, str):
        return prompt
    return stamp.tokenizer.decode([*request.prompt_ids, *request.sampling.forced_ids])


async def _chunks(
    stamp: Stamp,
    choices: Choices,
    told: dict[int, text_answers.Told],
    requests: Sequence[GenerationRequest],
    asked: TextRequest,
) -> AsyncIterator[text_answers.TextCompletion]:
    async for number, tokens in choices.tokens():
        finish = choices.generation(number).finish_reason if tokens is None else None
        yield text_answers.completion(stamp, [told[number].choice(tokens or (), finish)])
    if asked.wants_usage:
        used = text_answers.usage(requests, choices.generations, asked.n)
        yield text_answers.completion(stamp, [], used=used)


@router.post("/tokenize", responses=_ERRORS)
def tokenize(body: TokenizeRequest, runtime: RuntimeOf, owner: Owner) -> Tokenized:
    """The tokens of a text, or of a conversation as the model is shown it."""
    del owner
    served = runtime.models.serving()
    lm = model_of(served, body.model)
    if body.messages is not None:
        ids = ids_of_turns(lm, runtime.settings, body.messages)
    else:
        ids = ids_of_text(lm, runtime.settings, body.prompt or "", begins=body.add_special_tokens)
    return Tokenized(count=len(ids), max_model_len=lm.context_length, tokens=list(ids))


@router.post("/detokenize", responses=_ERRORS)
def detokenize(body: DetokenizeRequest, runtime: RuntimeOf, owner: Owner) -> Detokenized:
    """The text of tokens."""
    del owner
    lm = model_of(runtime.models.serving(), body.model)
    if any(token >= len(lm.tokenizer) for token in body.tokens):
        raise Invalid(f"tokens: one is not below {len(lm.tokenizer)}, which is how many there are")
    return Detokenized(prompt=lm.tokenizer.decode(body.tokens))
