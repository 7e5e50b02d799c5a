"""What a chat may want to know of the residual stream beside its answer, and how that looks on the wire."""

import base64
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from services.bodies import Body
from services.chat.generate import Token
from services.serving.steering import ProbeRequest, SteeringPositions
from vectors.engine.readings import Reading, States
from vectors.engine.requests import Generation

MOST_PROBES = 16
MOST_STATES = 1 << 20
"""Numbers of the hidden states of one answer: 4 MiB, and a third more as text."""


class HiddenStates(Body):
    """Which residuals to hand out: after `layers`, at `positions` in the text form of a steering."""

    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=64)]
    positions: SteeringPositions = "last"


class Watched(Body):
    """Fields of a request that wants readings.

    The residual is read along `probes` where new tokens are drawn, and with `reads_prompt` at the prompt's.
    `divergence` tells how far the distribution of each is from that of an unsteered twin.
    """

    probes: Annotated[list[ProbeRequest], Field(max_length=MOST_PROBES)] = Field(default_factory=list)
    reads_prompt: bool = False
    divergence: bool = False
    hidden_states: HiddenStates | None = None

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if self.reads_prompt and not self.probes:
            raise ValueError("reads_prompt needs probes")
        return self

    @property
    def watched(self) -> bool:
        """Whether anything is wanted."""
        return bool(self.probes or self.divergence or self.hidden_states)


class ProbeReadings(BaseModel):
    """Of one probe, a number for each place: how far the residual goes along it, and their cosine."""

    projection: list[float]
    cosine: list[float]


class KeptStates(BaseModel):
    """Hidden states: their places in the row, and by layer float32 numbers [places, d_model] as base64, the
    lowest byte first.
    """

    places: list[int]
    layers: dict[str, str]


class Readings(BaseModel):
    """What was found of one answer, or with one chunk of it.

    Numbers of `probes` and of `divergence` (KL in bits, steered from unsteered) are of new tokens, one each,
    in the place that each was drawn from; `prompt` has the probes' at the prompt's tokens but the last.
    A chunk's `divergence` goes on where an earlier chunk's ended, and may lie some tokens behind.
    `steered_tokens` counts what each intervention changed.
    """

    probes: list[ProbeReadings]
    divergence: list[float] | None = None
    prompt: list[ProbeReadings] | None = None
    hidden_states: KeptStates | None = None
    steered_tokens: list[int] | None = None


def of_tokens(asked: Watched, tokens: Sequence[Token], divergences: Sequence[float]) -> Readings | None:
    """Those of the tokens of a chunk, and divergences that have become known; None where nothing of them was
    asked for.
    """
    if not asked.probes and not asked.divergence:
        return None
    return Readings(
        probes=[_probe([token.readings[number] for token in tokens]) for number in range(len(asked.probes))],
        divergence=list(divergences) if asked.divergence else None,
    )


def at_end(asked: Watched, generation: Generation, told: int) -> Readings | None:
    """What is known of an answer once it has ended, beside its tokens' own, of which so many divergences are
    told.
    """
    if not asked.watched:
        return None
    before = generation.prompt_tokens - 1
    return Readings(
        probes=[],
        divergence=list(generation.divergences[told:]) if asked.divergence else None,
        prompt=[_probe(found[:before]) for found in generation.readings] if asked.reads_prompt else None,
        hidden_states=_kept(generation.states),
        steered_tokens=list(generation.steered_tokens),
    )


def of_answer(asked: Watched, generation: Generation) -> Readings | None:
    """All of it."""
    end = at_end(asked, generation, 0)
    if end is None:
        return None
    before = generation.prompt_tokens - 1 if asked.reads_prompt else 0
    probes = [_probe(found[before:]) for found in generation.readings]
    return end.model_copy(update={"probes": probes})


def _probe(found: Sequence[Reading]) -> ProbeReadings:
    return ProbeReadings(
        projection=[each.projection for each in found], cosine=[each.cosine for each in found]
    )


def _kept(states: States | None) -> KeptStates | None:
    if states is None:
        return None
    layers = {
        str(layer): base64.b64encode(rows.contiguous().numpy().astype("<f4").tobytes()).decode()
        for layer, rows in states.by_layer.items()
    }
    return KeptStates(places=list(states.places), layers=layers)
