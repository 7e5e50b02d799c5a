"""One request on its way through the engine: what was asked, how far it is, and what has come of it."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vectors.engine.drafts import Drafts
from vectors.engine.kvcache import Block
from vectors.engine.readings import RowReadings
from vectors.engine.sampling import Sampler, Sampling
from vectors.engine.textstream import TextStream
from vectors.errors import GenerationFault, InvalidRequest, generation_fault, without_frames
from vectors.steering.row_steering import UNTOUCHED, RowSteering, Touched

FinishReason = Literal["stop", "length", "cancelled"]
Likeliest = tuple[tuple[int, float], ...]
"""Tokens and their natural log-probabilities, the likeliest first."""


class Scored(NamedTuple):
    """The natural log-probability of a new token, and the likeliest ones in its place as far as asked for."""

    logprob: float
    top: Likeliest


@dataclass(eq=False)
class Row:
    """A generation. `cancelled` may be set from any thread; in the end `finish_reason` or `error` is set.

    `known` are the tokens there are: the prompt, the forced ones, and what was generated. The first
    `computed` of them are in the cache. `resume` = (layer, hidden) is what a reused prefix left to do: its
    tokens have to pass the blocks after that layer. `reaches` is how far this pass takes the row, and `twin`
    is another (see `vectors.engine.twins`), which `leads` leads back from; `met` are log-probabilities
    [vocab] of places where only one of the two has been.
    """

    prompt_len: int
    known: list[int]
    steering: RowSteering
    sampling: Sampling
    sampler: Sampler
    stream: TextStream
    readings: RowReadings | None = None
    wants_distribution: bool = False
    wants_divergence: bool = False
    wants_alternatives: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    on_token: Callable[[str], None] | None = None
    owner: str = ""
    public_tokens: int = 0

    twin: "Row | None" = None
    leads: "Row | None" = None
    reaches: int = 0
    met: dict[int, Tensor] = field(default_factory=dict)
    divergences: list[float] = field(default_factory=list)
    drafts: Drafts = field(init=False)

    cancelled: bool = False
    block: Block | None = None
    computed: int = 0
    resume: tuple[int, Tensor] | None = None
    resumed: int = 0
    reused: int = 0
    records: dict[int, list[Tensor]] = field(default_factory=dict)
    states: dict[int, object] = field(default_factory=dict)
    started: float = 0.0

    new_tokens: int = 0
    scored: list[Scored] = field(default_factory=list)
    distribution: Tensor | None = None
    alternatives: dict[int, tuple[float, ...]] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: Exception | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.drafts = Drafts(self.known)

    @property
    def finished(self) -> bool:
        """Whether no further token is wanted."""
        return self.finish_reason is not None or self.error is not None

    @property
    def decoding(self) -> bool:
        """Whether only the newest token is left to compute."""
        return self.computed >= self.prompt_len and self.needed - self.computed == 1

    @property
    def needed(self) -> int:
        """How many of the known tokens have to be computed; the very last token of a generation has not."""
        return min(len(self.known), self.prompt_len + self.sampling.max_new_tokens - 1)

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The new tokens so far."""
        return tuple(self.known[self.prompt_len : self.prompt_len + self.new_tokens])

    @property
    def draftable(self) -> bool:
        """Whether only its newest token is left to compute, and a place that turns out not to be its own
        leaves nothing behind.
        """
        alone = self.twin is None and self.leads is None
        return alone and self.decoding and self.readings is None and not self.wants_alternatives

    @cached_property
    def begins(self) -> NDArray[np.int64]:
        """The tokens of the prompt that others may have computed: all but the last."""
        return np.array(self.known[: self.prompt_len - 1], dtype=np.int64)

    @cached_property
    def begun(self) -> Touched:
        """What is done to those tokens."""
        return self.steering.touched(self.known[: self.prompt_len - 1])

    @cached_property
    def lowest(self) -> int:
        """The lowest block whose output one of those is changed by, or read after."""
        touched = int(self.begun.lowest[-1]) if len(self.begun.lowest) else UNTOUCHED
        return min([touched, *self.reads_from])

    @cached_property
    def reads_from(self) -> list[int]:
        """The blocks after which tokens of the prompt have to be read, whatever of them could be reused."""
        begun = self.known[: self.prompt_len - 1]
        deciding = [
            each.lowest
            for each, chosen in zip(self.steering.interventions, self.steering.chosen(begun, 0), strict=True)
            if each.when and (chosen is None or chosen.any())
        ]
        reading = self.readings.lowest(begun) if self.readings else None
        return deciding if reading is None else [*deciding, reading]

    def wanted(self, start: int, end: int) -> list[int]:
        """Positions of start..end whose logits are needed: the newest, and those of tokens to be scored."""
        first = self.prompt_len - 1
        return [
            position
            for position in range(max(start, first), end)
            if position + 1 == len(self.known)
            or self.sampling.logprobs
            or self.wants_divergence
            or self.leads is not None
            or (self.wants_distribution and position == first)
            or position - first in self.wants_alternatives
        ]

    def accept(self, token: int | None, eos_ids: frozenset[int], scored: Scored | None = None) -> None:
        """Take the next token, a forced or a chosen one, or None for logits that are not finite."""
        if token is None or (scored is not None and math.isnan(scored.logprob)):
            number = self.new_tokens + 1
            self.error = GenerationFault(
                f"the logits of token {number} are not finite; lower α or use a wider dtype"
            )
            return
        forced = self.prompt_len + self.new_tokens < len(self.known)
        if not forced:
            self.known.append(token)
            if self.twin is not None:
                self.twin.known.append(token)
        self.new_tokens += 1
        if scored is not None:
            self.scored.append(scored)
        ended = token in eos_ids and not forced
        raising = "the tokenizer"
        try:
            if not ended:
                self.sampler.accept(token)
            piece = "" if ended else self.stream.push(token)
            if ended or self.stream.stopped:
                self.finish_reason = "stop"
            elif self.new_tokens == self.sampling.max_new_tokens:
                self.finish_reason = "length"
            if self.finish_reason:
                piece += self.stream.finish()
            self.pieces.append(piece)
            raising = "on_token"
            if self.on_token:
                self.on_token(piece)
        except InvalidRequest as error:
            self.error = without_frames(error)
        except Exception as error:
            self.error = generation_fault(f"{raising} raised", error)

    def end(self, reason: FinishReason | None = None, error: Exception | None = None) -> None:
        """Stop for a reason that lies outside the row."""
        self.finish_reason, self.error = reason, error

    def settle(self) -> None:
        """Note how long it took, from its admission."""
        self.seconds = time.perf_counter() - self.started if self.started else 0.0
