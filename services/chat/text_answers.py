"""What a text completion looks like on the wire, whole and in chunks; the fields are OpenAI's."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from services.chat.answers import Stamp, Steered, Usage, steered
from services.chat.generate import Token
from vectors.engine.requests import Generation, GenerationRequest
from vectors.engine.row import FinishReason, Likeliest
from vectors.models.tokenizer import Tokenizer

_Scores = tuple[int, float | None, Likeliest | None]
"""A token, its log-probability, and the likeliest in its place; nothing predicts the first of an echo."""


class TextLogprobs(BaseModel):
    """By token: its text, natural log-probability, the likeliest in its place, and where it begins.

    The first token of an echoed prompt has nothing before it, and so no log-probability.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(BaseModel):
    """One text, or its next part."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason | None


class TextCompletion(BaseModel):
    """Whole texts, or a chunk of a stream. `steering` is an extension: null where nothing was steered."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: Usage | None = None
    steering: list[Steered] | None = None


class Told:
    """The text of one choice as it grows; `prompt` is what it begins with, None where that is not echoed."""

    def __init__(
        self, number: int, request: GenerationRequest, prompt: str | None, tokenizer: Tokenizer
    ) -> None:
        self._number, self._request, self._tokenizer = number, request, tokenizer
        self._prompt, self._followed = prompt, len(request.sampling.forced_ids)
        self._offset = -_unwritten(request, prompt, tokenizer)

    def choice(self, tokens: Sequence[Token], finish: FinishReason | None = None) -> TextChoice:
        """The next part of it."""
        begins, self._prompt = self._prompt, None
        new = tokens[self._followed :]
        self._followed = max(0, self._followed - len(tokens))
        scored: list[_Scores] = [(each.id, *each.scored) for each in tokens if each.scored is not None]
        if begins is not None:
            scored = [*((token, None, None) for token in self._request.prompt_ids), *scored]
        return TextChoice(
            index=self._number,
            text=(begins or "") + "".join(token.piece for token in new),
            logprobs=self._logprobs(scored) if self._request.sampling.logprobs else None,
            finish_reason=finish,
        )

    def _logprobs(self, scored: Sequence[_Scores]) -> TextLogprobs:
        names = [self._tokenizer.named(token) for token, _, _ in scored]
        offsets = []
        for name in names:
            offsets.append(max(0, self._offset))
            self._offset += len(name)
        return TextLogprobs(
            tokens=names,
            token_logprobs=[logprob for _, logprob, _ in scored],
            top_logprobs=[self._top(likeliest) for _, _, likeliest in scored],
            text_offset=offsets,
        )

    def _top(self, likeliest: Likeliest | None) -> dict[str, float] | None:
        if likeliest is None:
            return None
        # Parts of characters are all called alike: the likeliest of them is kept.
        return {self._tokenizer.named(token): logprob for token, logprob in reversed(likeliest)}


def _unwritten(request: GenerationRequest, prompt: str | None, tokenizer: Tokenizer) -> int:
    """The length of what begins the sequence, where that was put before an echoed text and is none of it."""
    first = request.prompt_ids[0]
    name = tokenizer.named(first)
    put = prompt is not None and first == tokenizer.bos_token_id and not prompt.startswith(name)
    return len(name) if put else 0


def completion(
    stamp: Stamp,
    choices: list[TextChoice],
    *,
    used: Usage | None = None,
    request: GenerationRequest | None = None,
) -> TextCompletion:
    """A document or a chunk with these choices; `request` is one whose steering it says."""
    return TextCompletion(
        **stamp.said(),
        choices=choices,
        usage=used,
        steering=steered(request) if request else None,
    )


def usage(requests: Sequence[GenerationRequest], generations: Sequence[Generation], n: int) -> Usage:
    """Counts of texts, `n` of each prompt; the tokens of a prompt that is followed are its own."""
    followed = [len(each.sampling.forced_ids) for each in requests]
    prompt = sum(
        each.prompt_tokens + more for each, more in zip(generations[::n], followed[::n], strict=True)
    )
    new = sum(each.new_tokens - more for each, more in zip(generations, followed, strict=True))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=new,
        total_tokens=prompt + new,
        prompt_tokens_details={"cached_tokens": sum(each.reused_tokens for each in generations[::n])},
    )
