"""From columns to what the engine is asked for, by the way that chats and texts go."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.arena.run_requests import Asked, Column
from services.chat.preparing import prepare, prepare_texts
from services.chat.schemas import ChatMessage, ChatRequest
from services.chat.text_requests import TextRequest
from services.errors import Invalid, NotFound
from services.serving.exchange import Served
from services.settings import ServeSettings
from vectors.engine.requests import GenerationRequest
from vectors.steering.intervention import Probe

CHECKED_TOKENS = 8
"""How far the row whose steering has the strength 0 is followed beside the baseline."""


@dataclass(frozen=True)
class Plan:
    """The rows of a prompt: one for each column, and where it can be checked that strength 0 does nothing,
    one more, which repeats the first steered column with it.
    """

    columns: tuple[GenerationRequest, ...]
    check: GenerationRequest | None

    @property
    def rows(self) -> list[GenerationRequest]:
        """All of them, the columns first."""
        return [*self.columns, *([self.check] if self.check else [])]

    @property
    def baseline(self) -> int | None:
        """The first column that nothing steers."""
        return next((number for number, each in enumerate(self.columns) if not each.steering), None)


def planned(
    served: Served, settings: ServeSettings, owner: str, asked: Asked, prompt: str, alternatives: int = 0
) -> Plan:
    """Check a prompt and its columns against the model. Blocks; raises Invalid, NotFound."""
    columns = []
    for number, column in enumerate(asked.columns):
        try:
            columns.append(_row(served, settings, owner, asked, column, prompt, alternatives))
        except NotFound as error:
            raise NotFound(f"columns.{number}: {error.args[0]}") from None
        except Invalid as error:
            raise Invalid(f"columns.{number}: {error.args[0]}") from None
    return Plan(tuple(columns), _check(columns))


def settled(asked: Asked, served: Served) -> dict[str, object]:
    """What a request leaves open, decided, so that it can be run again: the model and the seed."""
    seed = secrets.randbits(31) if asked.seed is None else asked.seed
    return {"model": asked.model or served.name, "seed": seed}


def _row(
    served: Served,
    settings: ServeSettings,
    owner: str,
    asked: Asked,
    column: Column,
    prompt: str,
    alternatives: int,
) -> GenerationRequest:
    model = asked.model or served.name
    if asked.chat:
        turns = [ChatMessage(role="user", content=prompt)]
        chat = ChatRequest(model=model, messages=turns, steering=column.steering, max_tokens=asked.max_tokens)
        row = prepare(served, settings, owner, chat).request
    else:
        text = TextRequest(model=model, prompt=prompt, steering=column.steering, max_tokens=asked.max_tokens)
        (row,) = prepare_texts(served, settings, owner, text)
    sampling = replace(
        row.sampling,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        min_p=asked.min_p,
        seed=asked.seed or 0,
        logprobs=True,
        top_logprobs=alternatives,
    )
    return replace(row, sampling=sampling, probes=_probes(row), divergence=True)


def _probes(row: GenerationRequest) -> tuple[Probe, ...]:
    return tuple(Probe(each.vector, each.layer, each.name) for each in row.steering[:1])


def _check(columns: Sequence[GenerationRequest]) -> GenerationRequest | None:
    """The first steered column with strength 0, where that does nothing and there is a baseline beside it."""
    steered = next((each for each in columns if each.steering), None)
    if steered is None or all(each.steering for each in columns):
        return None
    steering = tuple(replace(each, alpha=0.0) for each in steered.steering)
    if not all(each.idle for each in steering):
        return None
    sampling = replace(
        steered.sampling,
        max_new_tokens=min(CHECKED_TOKENS, steered.sampling.max_new_tokens),
        logprobs=False,
        top_logprobs=0,
    )
    return replace(steered, steering=steering, sampling=sampling, probes=(), divergence=False)
