"""One chat request on its way through the engine: from messages to tokens, and from tokens to pieces of text.

Requests of any steering go to the one engine as they come, which runs those that overlap in one batch.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import takewhile

from pydantic import BaseModel

from services.chat.schemas import ChatRequest, JsonObject, JsonSchema
from services.errors import Invalid, NotFound, Unauthorized, Unavailable
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from vectors.engine.constraint import Constraint
from vectors.engine.requests import Generation, GenerationRequest, Ticket
from vectors.engine.sampling import Sampling
from vectors.errors import EngineClosed, InvalidRequest
from vectors.models.loading import LanguageModel

DEFAULT_ANSWER_TOKENS = 512
_MOST_CHARS_PER_TOKEN = 16
"""A prompt with more characters than this for each token that is allowed is not even tokenized."""


class Likely(BaseModel):
    """A token's text, natural log-probability and bytes; the bytes of a part of a character are not known."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(Likely):
    """One of the answer's, with the likeliest in its place."""

    top_logprobs: list[Likely]


@dataclass(frozen=True)
class Token:
    """One new token: the text that became certain with it (perhaps none), and its log-probability."""

    piece: str
    logprob: TokenLogprob | None


def prepare(served: Served, settings: ServeSettings, owner: str, asked: ChatRequest) -> GenerationRequest:
    """Check a request against the model and the longest prompt. Blocks; raises Invalid, NotFound."""
    limit = settings.prompt_tokens
    if asked.model != served.name:
        raise NotFound(f"model {asked.model[:100]!r} is not in memory here: ask for {served.name!r}")
    lm = served.lm
    if sum(len(message.content) for message in asked.messages) > limit * _MOST_CHARS_PER_TOKEN:
        raise Invalid(f"messages: they are longer than {limit} tokens can be; shorten them")
    steering = served.vectors.steering(owner, asked.steering) if asked.steering else None
    turns = [
        {"role": "system" if turn.role == "developer" else turn.role, "content": turn.content}
        for turn in asked.messages
    ]
    try:
        prompt_ids = lm.chat_ids(turns)
        room = lm.context_length - len(prompt_ids)
        if len(prompt_ids) > limit or room < 1:
            raise Invalid(
                f"messages: the prompt has {len(prompt_ids)} tokens, "
                f"{min(limit, lm.context_length - 1)} are taken; shorten it"
            )
        if (asked.answer_tokens or 1) > room:
            raise Invalid(
                f"max_tokens: {asked.answer_tokens} new tokens and a prompt of {len(prompt_ids)} exceed the "
                f"model's context of {lm.context_length}"
            )
        sampling = Sampling(
            max_new_tokens=asked.answer_tokens or min(DEFAULT_ANSWER_TOKENS, room),
            temperature=asked.temperature,
            top_p=asked.top_p,
            seed=secrets.randbits(31) if asked.seed is None else asked.seed,
            stop=(*(asked.stop or ()), *lm.chat.stops),
            logprobs=asked.logprobs,
            top_logprobs=asked.top_logprobs,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
            logit_bias={int(token): bias for token, bias in asked.logit_bias.items()},
            constraint=_constraint(asked),
        )
    except InvalidRequest as error:
        raise Invalid(str(error)) from None
    first = turns[0]
    public = first["role"] == "system" and first["content"] in settings.system_prompts
    return GenerationRequest(
        prompt_ids,
        steering,
        sampling,
        owner=settings.sharing(owner),
        public_tokens=_system_tokens(lm, first, prompt_ids) if public else 0,
    )


def _constraint(asked: ChatRequest) -> Constraint | None:
    """What the answer has to be."""
    if asked.regex is not None:
        return Constraint("regex", asked.regex)
    if asked.grammar is not None:
        return Constraint("lark", asked.grammar)
    match asked.response_format:
        case JsonObject():
            return Constraint("json_schema", '{"type": "object"}')
        case JsonSchema(json_schema=named):
            return Constraint("json_schema", json.dumps(named.schema_))
        case _:
            return None


def _system_tokens(lm: LanguageModel, system: dict[str, str], prompt_ids: tuple[int, ...]) -> int:
    """How many of a prompt's first tokens say nothing but that it begins with this system turn."""
    others = [lm.chat_ids([system, {"role": "user", "content": text}]) for text in ("a", "b")]
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(prompt_ids, *others, strict=False))
    return len(list(alike))


class Answer:
    """An answer as it is generated. Who stops reading calls `cancel`: the engine stops at the next token."""

    def __init__(
        self, runtime: Runtime, served: Served, prepared: GenerationRequest, revoked: asyncio.Event
    ) -> None:
        self._runtime, self._served, self._prepared = runtime, served, prepared
        self._revoked = revoked
        self._before = time.perf_counter()
        self._pieces: asyncio.Queue[tuple[str, float] | None] = asyncio.Queue()
        self.ticket: Ticket
        self.generation: Generation
        """The whole of it, once its tokens have been read."""

    def submit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand the request to the engine; its tokens come to this loop. Blocks for a moment.

        Raises Unavailable where the model was unloaded since, Invalid for what does not fit the model.
        """

        def pass_on(piece: str) -> None:
            loop.call_soon_threadsafe(self._pieces.put_nowait, (piece, time.perf_counter()))

        request = replace(self._prepared, on_token=pass_on)
        try:
            self.ticket = self._served.engine.submit(request)
        except EngineClosed:
            raise Unavailable("the model was unloaded; send the request again", retry_after_s=5) from None
        except InvalidRequest as error:
            raise Invalid(str(error)) from None
        self._runtime.tickets.add(self.ticket)

    async def tokens(self) -> AsyncIterator[list[Token]]:
        """Yield the tokens as they come, all that are there at once: a busy loop sends fewer, larger pieces.

        Raises what the generation fails with, Unavailable if it is cut off, Unauthorized for a revoked key.
        """
        revoked = asyncio.ensure_future(self._revoked.wait())
        revoked.add_done_callback(lambda _: self.ticket.cancel())
        ended = asyncio.ensure_future(self.ticket)
        ended.add_done_callback(lambda _: self._pieces.put_nowait(None))
        number, over = 0, False
        try:
            while not over:
                come = [await self._pieces.get()]
                while not self._pieces.empty():
                    come.append(self._pieces.get_nowait())
                over = None in come
                pieces = [each for each in come if each is not None]
                self._time([at for _, at in pieces], first=number == 0)
                if pieces:
                    yield [Token(piece, self._logprob(number + i)) for i, (piece, _) in enumerate(pieces)]
                number += len(pieces)
            self.generation = await ended
        finally:
            ended.cancel()
            revoked.cancel()
        if self._revoked.is_set():
            raise Unauthorized("the key was revoked")
        if self.generation.finish_reason == "cancelled":
            raise Unavailable(
                "the server is stopping, or loads another model; send the request again", retry_after_s=5
            )

    def cancel(self) -> None:
        """Stop at the next token; nothing happens to an answer that is over."""
        self._runtime.tickets.discard(self.ticket)
        self.ticket.cancel()

    def _time(self, times: list[float], *, first: bool) -> None:
        """Count the times between tokens, taken where the engine handed them out."""
        metrics = self._runtime.metrics
        for at in times:
            timing = metrics.first_token_seconds if first else metrics.token_seconds
            timing.observe(at - self._before)
            self._before, first = at, False

    def _logprob(self, number: int) -> TokenLogprob | None:
        """The log-probability of a token by its number, in OpenAI's form; that of an end is nobody's text."""
        if not self._prepared.sampling.logprobs:
            return None
        row = self.ticket.row
        token, scored = row.token_ids[number], row.scored[number]
        if token in self._served.lm.tokenizer.special_ids:
            return None
        top = [self._likely(other, logprob) for other, logprob in scored.top]
        return TokenLogprob(**self._likely(token, scored.logprob).model_dump(), top_logprobs=top)

    def _likely(self, token: int, logprob: float) -> Likely:
        tokenizer = self._served.lm.tokenizer
        text = tokenizer.spelled(token) or tokenizer.backend.id_to_token(token) or ""
        whole = None if "\ufffd" in text else list(text.encode())
        return Likely(token=text, logprob=logprob, bytes=whole)
