"""What a chat completion looks like on the wire, whole and in chunks; the fields are OpenAI's."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from services.chat.generate import Token, TokenLogprob
from vectors.engine.requests import Generation, GenerationRequest
from vectors.engine.row import FinishReason


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


class Logprobs(BaseModel):
    """Natural log-probabilities of the answer's tokens, before temperature and top_p."""

    content: list[TokenLogprob]


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0] = 0
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
    """The one answer's next part."""

    index: Literal[0] = 0
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


@dataclass(frozen=True)
class Stamp:
    """What every part of one answer carries: id, time, model, and the model's digest."""

    model: str
    digest: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))


def usage(generation: Generation) -> Usage:
    """Counts of one answer; reused tokens of the prompt are those that were not computed again."""
    return Usage(
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.new_tokens,
        total_tokens=generation.prompt_tokens + generation.new_tokens,
        prompt_tokens_details={"cached_tokens": generation.reused_tokens},
    )


def whole(
    stamp: Stamp, prepared: GenerationRequest, tokens: list[Token], generation: Generation
) -> ChatCompletion:
    """The answer as one document."""
    assert generation.finish_reason != "cancelled"
    scored = [token.logprob for token in tokens if token.logprob is not None]
    return ChatCompletion(
        id=stamp.id,
        created=stamp.created,
        model=stamp.model,
        system_fingerprint=stamp.digest[:16],
        choices=[
            Choice(
                message=AnswerMessage(content=generation.text),
                logprobs=Logprobs(content=scored) if prepared.sampling.logprobs else None,
                finish_reason=generation.finish_reason,
            )
        ],
        usage=usage(generation),
        steering=steered(prepared),
    )


def steered(prepared: GenerationRequest) -> Steered | None:
    """What was applied."""
    found = prepared.steering
    if found is None:
        return None
    return Steered(layer=found.layer, alpha=found.alpha, mode=found.mode, positions=found.positions)


def chunk(
    stamp: Stamp,
    delta: Delta | None,
    *,
    finish: FinishReason | None = None,
    logprobs: list[TokenLogprob] | None = None,
    used: Usage | None = None,
) -> Chunk:
    """One chunk of a stream; without a delta it is the last one, which holds the usage."""
    scored = Logprobs(content=logprobs) if logprobs else None
    return Chunk(
        id=stamp.id,
        created=stamp.created,
        model=stamp.model,
        system_fingerprint=stamp.digest[:16],
        choices=[] if delta is None else [ChunkChoice(delta=delta, logprobs=scored, finish_reason=finish)],
        usage=used,
    )
