"""What a chat completion looks like on the wire, whole and in chunks; the fields are OpenAI's."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from pydantic import BaseModel

from services.chat.calling import Reader
from services.chat.generate import Token
from services.chat.messages import AnswerMessage, Delta, message
from services.chat.preparing import Prepared
from services.chat.readings import Readings, of_answer
from vectors.engine.requests import Generation, GenerationRequest
from vectors.models.tokenizer import Tokenizer
from vectors.steering.text import written_positions

Finish = Literal["stop", "length", "tool_calls"]
"""Why an answer ended."""


class Usage(BaseModel):
    """Tokens of a request and its answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class Likely(BaseModel):
    """A token's text, natural log-probability and bytes; the bytes of a part of a character are not known."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(Likely):
    """One of the answer's, with the likeliest in its place."""

    top_logprobs: list[Likely]


class Logprobs(BaseModel):
    """Natural log-probabilities of the answer's tokens, before temperature and top_p."""

    content: list[TokenLogprob]


class Choice(BaseModel):
    """One answer."""

    index: int
    message: AnswerMessage
    logprobs: Logprobs | None
    finish_reason: Finish
    readings: Readings | None


class Steered(BaseModel):
    """An intervention that the answer was really steered with; α is absolute."""

    layer: int
    alpha: float
    operation: str
    positions: str
    conditional: bool


class ChatCompletion(BaseModel):
    """A whole answer. `steering` is an extension: null where nothing was steered."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
    steering: list[Steered] | None


class ChunkChoice(BaseModel):
    """The next part of one answer."""

    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: Finish | None = None
    readings: Readings | None = None


class Chunk(BaseModel):
    """One chunk of a stream; the one that holds the usage, if that was asked for, has no choice."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class Said(TypedDict):
    """What the parts of one answer have in common on the wire."""

    id: str
    created: int
    model: str
    system_fingerprint: str


@dataclass(frozen=True)
class Stamp:
    """What every part of one answer carries, id, time, model and its digest; and what spells its tokens."""

    model: str
    digest: str
    tokenizer: Tokenizer
    prefix: str = "chatcmpl"
    number: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def said(self) -> Said:
        """What every part says."""
        return {
            "id": f"{self.prefix}-{self.number}",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.digest[:16],
        }


def usage(generations: Sequence[Generation]) -> Usage:
    """Counts of the answers to one prompt; its reused tokens are those that the first did not compute."""
    prompt, new = generations[0].prompt_tokens, sum(each.new_tokens for each in generations)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=new,
        total_tokens=prompt + new,
        prompt_tokens_details={"cached_tokens": generations[0].reused_tokens},
    )


def whole(
    stamp: Stamp,
    prepared: Prepared,
    tokens: Mapping[int, Sequence[Token]],
    generations: Sequence[Generation],
) -> ChatCompletion:
    """The answers as one document; `tokens` are those of each by its number."""
    choices = []
    for number, generation in enumerate(generations):
        reader = Reader(prepared.calling)
        parts = [*reader.read(generation.text), *reader.rest()]
        scored = scores(stamp, tokens[number]) if prepared.request.sampling.logprobs else None
        choices.append(
            Choice(
                index=number,
                message=message(parts),
                logprobs=None if scored is None else Logprobs(content=scored),
                finish_reason=finish(reader, generation),
                readings=of_answer(prepared.watched, generation),
            )
        )
    return ChatCompletion(
        **stamp.said(), choices=choices, usage=usage(generations), steering=steered(prepared.request)
    )


def finish(reader: Reader, generation: Generation) -> Finish:
    """Why an answer ended that was read to its end."""
    assert generation.finish_reason != "cancelled"
    called = generation.finish_reason == "stop" and reader.complete
    return "tool_calls" if called else generation.finish_reason


def scores(stamp: Stamp, tokens: Sequence[Token]) -> list[TokenLogprob]:
    """The scores of the tokens that are text: an end is nobody's."""
    return [
        TokenLogprob(
            **_likely(stamp, token.id, token.scored.logprob).model_dump(),
            top_logprobs=[_likely(stamp, *each) for each in token.scored.top],
        )
        for token in tokens
        if token.scored is not None and token.id not in stamp.tokenizer.special_ids
    ]


def _likely(stamp: Stamp, token: int, logprob: float) -> Likely:
    text = stamp.tokenizer.named(token)
    whole = None if "\ufffd" in text else list(text.encode())
    return Likely(token=text, logprob=logprob, bytes=whole)


def steered(prepared: GenerationRequest) -> list[Steered] | None:
    """What was applied, one after the other; None where nothing was."""
    return [
        Steered(
            layer=each.layer,
            alpha=each.alpha,
            operation=each.operation,
            positions=written_positions(each.positions),
            conditional=each.when is not None,
        )
        for each in prepared.steering
    ] or None


def chunk(
    stamp: Stamp,
    number: int,
    delta: Delta,
    *,
    finish: Finish | None = None,
    tokens: Sequence[Token] = (),
    readings: Readings | None = None,
) -> Chunk:
    """What a stream says of the answer of that number; `tokens` are those whose scores it tells."""
    content = scores(stamp, tokens)
    scored = Logprobs(content=content) if content else None
    choice = ChunkChoice(index=number, delta=delta, logprobs=scored, finish_reason=finish, readings=readings)
    return _chunk(stamp, [choice], None)


def last_chunk(stamp: Stamp, used: Usage) -> Chunk:
    """What a stream ends with that was asked for its usage."""
    return _chunk(stamp, [], used)


def _chunk(stamp: Stamp, choices: list[ChunkChoice], used: Usage | None) -> Chunk:
    return Chunk(
        **stamp.said(),
        choices=choices,
        usage=used,
    )
