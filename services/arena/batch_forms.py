"""What a batch is asked for, what it tells, and how it looks from outside."""

import math
from collections.abc import Sequence
from datetime import datetime
from statistics import fmean
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from orchestrator.policy.decisions import Record
from services.alternatives import way
from services.arena.run_events import ColumnFinish
from services.arena.run_requests import MOST_PROMPT_CHARS, Asked
from services.chat.answers import Steered
from services.store.arena_table import Events, ShownState, StoredResult, moment
from services.texts import StoredText
from vectors.statistics.estimates import Estimate, mean, rate

MOST_PROMPTS = 200
MOST_BATCH_CHARS = 500_000
"""Of all prompts together."""
_Prompt = Annotated[StoredText, Field(min_length=1, max_length=MOST_PROMPT_CHARS)]


class BatchRequest(Asked):
    """The body of POST /v1/arena/batches: prompts, or those of a domain. One column must not be steered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "smollm2-135m",
                    "prompts": ["Why does a loop skip the last item?", "What is a deadlock?"],
                    "columns": [
                        {"name": "baseline"},
                        {"name": "bugs", "steering": {"domain": "bug_analysis"}},
                    ],
                    "max_tokens": 8,
                }
            ],
            "oneOf": [way("prompts", without=["domain"]), way("domain", without=["prompts"])],
        }
    )

    prompts: Annotated[list[_Prompt], Field(min_length=1, max_length=MOST_PROMPTS)] | None = None
    domain: Annotated[StoredText, Field(max_length=64)] | None = None

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        if (self.prompts is None) == (self.domain is None):
            raise ValueError("give prompts or a domain, and not both")
        if sum(map(len, self.prompts or ())) > MOST_BATCH_CHARS:
            raise ValueError(f"prompts: more than {MOST_BATCH_CHARS} characters together; send fewer")
        if all(column.steering for column in self.columns):
            raise ValueError(
                "columns: one must be the baseline, without steering, that others are held against"
            )
        return self


class Cell(Record):
    """A column's answer to a prompt, and how it differs from the baseline's: null for that one, and where one
    of the two failed. `divergence` is the mean KL(steered‖unsteered) of its tokens, in bits.
    """

    kind: Literal["cell"] = "cell"
    prompt: int
    column: int
    text: str
    tokens: int
    finish_reason: ColumnFinish
    error: str | None = None
    same: bool | None = None
    first_difference: int | None = None
    jaccard: float | None = None
    divergence: float | None = None


class BatchEnded(Record):
    """The batch's last event, after all cells, or after those that there were when it was stopped."""

    kind: Literal["batch_ended"] = "batch_ended"
    state: Literal["done", "cancelled"]
    cells: int


class BatchFailed(Record):
    """The batch's last event where it could not go on; its cells are kept, and it can be resumed."""

    kind: Literal["batch_failed"] = "batch_failed"
    reason: str


BatchEvent = Annotated[Cell | BatchEnded | BatchFailed, Field(discriminator="kind")]
BATCH_EVENT: TypeAdapter[BatchEvent] = TypeAdapter(BatchEvent)
GONE = "the server that worked on it stopped: resume it"


class KeptBatch(BaseModel):
    """What the store keeps of a batch's beginning; the prompts are there whether a domain's or not."""

    asked: BatchRequest
    prompts: list[str]
    steered: list[list[Steered]]

    @classmethod
    def of(cls, stored: StoredResult) -> "KeptBatch":
        """From the store's record."""
        return cls.model_validate(stored.request)


class Measured(Record):
    """A figure with its 95 % interval and the number of prompts; without a bound where n says nothing."""

    value: float
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, found: Estimate) -> "Measured":
        """From an estimate."""
        low, high = (each if math.isfinite(each) else None for each in (found.low, found.high))
        return cls(value=found.value, low=low, high=high, n=found.n)


class Method(Record):
    """A column over its prompts beside the baseline: the share of answers that differ (Wilson's interval),
    the mean KL in bits and the mean Jaccard index of words (Student's). Null where nothing was compared.
    """

    name: str
    change_rate: Measured | None
    divergence: Measured | None
    jaccard: Measured | None

    @classmethod
    def over(cls, name: str, cells: Sequence[Cell]) -> "Method":
        """From its cells that were compared."""
        compared = [each for each in cells if each.same is not None]
        if not compared:
            return cls(name=name, change_rate=None, divergence=None, jaccard=None)
        bits = [each.divergence or 0.0 for each in compared]
        shared = [each.jaccard or 0.0 for each in compared]
        return cls(
            name=name,
            change_rate=Measured.of(rate(sum(not each.same for each in compared), len(compared))),
            divergence=Measured.of(mean(bits, at_least=0)),
            jaccard=Measured.of(mean(shared, at_least=0, at_most=1)),
        )


class BatchSummary(BaseModel):
    """A batch in a list, with its columns' names and how many prompts it has."""

    id: str
    object: Literal["arena.batch"] = "arena.batch"
    state: ShownState
    model: str
    created_at: datetime
    finished_at: datetime | None
    names: list[str]
    prompts: int
    error: str | None

    @classmethod
    def of(cls, stored: StoredResult) -> "BatchSummary":
        """From the store's record."""
        kept = KeptBatch.of(stored)
        return cls(
            id=stored.id,
            state=stored.state,
            model=stored.model,
            created_at=moment(stored.created_at),
            finished_at=None if stored.finished_at is None else moment(stored.finished_at),
            names=[column.name for column in kept.asked.columns],
            prompts=len(kept.prompts),
            error=stored.error,
        )


class BatchPage(BaseModel):
    """Batches, newest first; `next_cursor` is null on the last page."""

    object: Literal["list"] = "list"
    data: list[BatchSummary]
    next_cursor: str | None


class BatchAnswer(BatchSummary):
    """A batch with its cells so far and what they say of each column. `request` makes it again."""

    request: BatchRequest
    texts: list[str]
    steered: list[list[Steered]]
    last_event: int
    cells: list[Cell]
    methods: list[Method]

    @classmethod
    def whole(cls, stored: StoredResult, events: Events) -> "BatchAnswer":
        """From the store's record and its events."""
        kept, cells = KeptBatch.of(stored), cells_in(events)
        columns = enumerate(kept.asked.columns)
        methods = [
            Method.over(column.name, [each for each in cells if each.column == number])
            for number, column in columns
            if column.steering
        ]
        return cls(
            **BatchSummary.of(stored).model_dump(),
            request=kept.asked,
            texts=kept.prompts,
            steered=kept.steered,
            last_event=len(events),
            cells=sorted(cells, key=lambda each: (each.prompt, each.column)),
            methods=methods,
        )


def cells_in(events: Events) -> list[Cell]:
    """The cells among a batch's events."""
    told = [BATCH_EVENT.validate_python({**event}) for event in events]
    return [each for each in told if isinstance(each, Cell)]


def mean_bits(divergences: Sequence[float]) -> float:
    """The mean over an answer's tokens, to six digits; 0 for none."""
    return float(f"{fmean(divergences):.6g}") if divergences else 0.0
