"""What a chat completion looks like on the wire, whole and in chunks; the fields are OpenAI's."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from services.chat.generate import Token
from vectors.engine.requests import Generation, GenerationRequest
from vectors.engine.row import FinishReason
from vectors.models.tokenizer import Tokenizer


class Usage(BaseModel):
    """Tokens of a request and its answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class AnswerMessage(BaseModel):
    """The model's turn."""

    role: Literal["assistant"] = "assistant"
    content: str


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
    finish_reason: Literal["stop", "length"]


class Steered(BaseModel):
    """What the answer was really steered with."""

    layer: int
    alpha: float
    mode: str
    positions: str


class ChatCompletion(BaseModel):
    """A whole answer. `steering` is an extension: null where nothing was steered."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
    steering: Steered | None


class Delta(BaseModel):
    """What a chunk adds to the answer; what it does not add is left out."""

    role: Literal["assistant"] | None = None
    content: str | None = None

    @model_serializer(mode="wrap")
    def _only_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, str]:
        return {name: value for name, value in dump(self).items() if value is not None}


class ChunkChoice(BaseModel):
    """The next part of one answer."""

    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None


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
    prepared: GenerationRequest,
    tokens: Mapping[int, Sequence[Token]],
    generations: Sequence[Generation],
) -> ChatCompletion:
    """The answers as one document; `tokens` are those of each by its number."""
    return ChatCompletion(
        **stamp.said(),
        choices=[
            _choice(stamp, number, generation, tokens[number] if prepared.sampling.logprobs else None)
            for number, generation in enumerate(generations)
        ],
        usage=usage(generations),
        steering=steered(prepared),
    )


def _choice(stamp: Stamp, number: int, generation: Generation, tokens: Sequence[Token] | None) -> Choice:
    assert generation.finish_reason != "cancelled"
    return Choice(
        index=number,
        message=AnswerMessage(content=generation.text),
        logprobs=None if tokens is None else Logprobs(content=_scores(stamp, tokens)),
        finish_reason=generation.finish_reason,
    )


def _scores(stamp: Stamp, tokens: Sequence[Token]) -> list[TokenLogprob]:
    """Those of the tokens that are text: an end is nobody's."""
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


def steered(prepared: GenerationRequest) -> Steered | None:
    """What was applied."""
    found = prepared.steering
    if found is None:
        return None
    return Steered(layer=found.layer, alpha=found.alpha, mode=found.mode, positions=found.positions)


def chunk(
    stamp: Stamp,
    number: int,
    delta: Delta,
    *,
    finish: FinishReason | None = None,
    tokens: Sequence[Token] = (),
) -> Chunk:
    """What a stream says of the answer of that number; `tokens` are those whose scores it tells."""
    content = _scores(stamp, tokens)
    scored = Logprobs(content=content) if content else None
    choice = ChunkChoice(index=number, delta=delta, logprobs=scored, finish_reason=finish)
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
