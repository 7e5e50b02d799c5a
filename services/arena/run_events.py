"""What a run tells while it goes on: one class an event. They are numbered from 1 without gaps."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from orchestrator.policy.decisions import Record

ColumnFinish = Literal["stop", "length", "cancelled", "failed"]


class Alternative(Record):
    """One of the likeliest tokens in a place, with its natural log-probability."""

    id: int
    text: str
    logprob: float


class ShownToken(Record):
    """A token of a column: the text that became certain with it (perhaps none), its natural log-probability
    before any sampling setting, KL(steered‖unsteered) in bits in the place it was drawn from, null as long as
    that is not known, and how far the residual went there along the column's first vector before the
    intervention.
    """

    index: int
    id: int
    text: str
    logprob: float
    alternatives: tuple[Alternative, ...] = ()
    divergence: float | None
    projection: float | None = None


class ColumnToken(ShownToken):
    """The next token of a column."""

    kind: Literal["token"] = "token"
    column: int


class ColumnDivergence(Record):
    """The divergences of tokens that were told without, from the one of that index on."""

    kind: Literal["divergence"] = "divergence"
    column: int
    index: int
    bits: tuple[float, ...]


class ColumnEnded(Record):
    """A column has ended; `error` says why it failed, if it did."""

    kind: Literal["column_ended"] = "column_ended"
    column: int
    finish_reason: ColumnFinish
    tokens: int
    seconds: float
    tokens_per_second: float
    error: str | None = None


class RunEnded(Record):
    """The run's last event: its result is kept. Seconds count from asking; rates are of all columns."""

    kind: Literal["run_ended"] = "run_ended"
    state: Literal["done", "cancelled"]
    tokens: int
    seconds: float
    tokens_per_second: float


class RunFailed(Record):
    """The run's last event where it could not go on; without a number where its server is gone."""

    kind: Literal["run_failed"] = "run_failed"
    reason: str


RunEvent = Annotated[
    ColumnToken | ColumnDivergence | ColumnEnded | RunEnded | RunFailed, Field(discriminator="kind")
]
RUN_EVENT: TypeAdapter[RunEvent] = TypeAdapter(RunEvent)
INTERRUPTED = "the server that ran it stopped: run it again"
