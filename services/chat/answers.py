"""What a chat completion looks like on the wire, whole and in chunks; the fields are OpenAI's."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from services.chat.generate import Prepared, Token
from vectors.engine.requests import Generation


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

    content: list[dict[str, Any]]


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


def whole(stamp: Stamp, prepared: Prepared, tokens: list[Token], generation: Generation) -> ChatCompletion:
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


def steered(prepared: Prepared) -> Steered | None:
    """What was applied."""
    found = prepared.steering
    if found is None:
        return None
    return Steered(layer=found.layer, alpha=found.alpha, mode=found.mode, positions=found.positions)


def chunk(
    stamp: Stamp,
    delta: dict[str, Any] | None,
    *,
    finish: str | None = None,
    logprobs: list[dict[str, Any]] | None = None,
    used: Usage | None = None,
) -> dict[str, Any]:
    """One chunk of a stream; without a delta it is the last one, which holds the usage."""
    choice = {
        "index": 0,
        "delta": delta,
        "logprobs": {"content": logprobs} if logprobs else None,
        "finish_reason": finish,
    }
    return {
        "id": stamp.id,
        "object": "chat.completion.chunk",
        "created": stamp.created,
        "model": stamp.model,
        "system_fingerprint": stamp.digest[:16],
        "choices": [] if delta is None else [choice],
        "usage": used.model_dump() if used else None,
    }
