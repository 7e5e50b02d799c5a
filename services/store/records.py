"""What the store hands out: tasks and events as plain values."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import sqlalchemy as sa
from pydantic import JsonValue

from services.store.telling import EVENT, Event, TaskResult

Row: TypeAlias = sa.Row[Any]
"""Of a table of the store."""

State = Literal["queued", "running", "completed", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINAL: tuple[State, ...] = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class NewTask:
    """What a task is made of; `tokens` is its weight in the queue, `body_sha256` the hash of its request."""

    owner: str
    model: str
    instance_id: str
    request: dict[str, JsonValue]
    tokens: int
    body_sha256: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class StoredTask:
    """A task as it stands in the store; `number` orders tasks and never leaves the server."""

    number: int
    id: str
    owner: str
    model: str
    instance_id: str
    request: dict[str, JsonValue]
    body_sha256: str
    state: State
    created_at: float
    started_at: float | None
    finished_at: float | None
    fence: int
    cancel_requested: bool
    last_event: int
    result: TaskResult | None
    error: str | None

    @classmethod
    def of(cls, row: Row) -> "StoredTask":
        """From a row that holds at least these columns."""
        found = {name: row._mapping[name] for name in cls.__dataclass_fields__}
        if found["result"] is not None:
            found["result"] = TaskResult.model_validate(found["result"])
        return cls(**found)

    @property
    def final(self) -> bool:
        """Whether nothing more happens to it unless somebody resumes it."""
        return self.state in FINAL


@dataclass(frozen=True)
class StoredEvent:
    """One event of one task; `seq` counts from 1 without gaps."""

    seq: int
    at: float
    event: Event

    @classmethod
    def of(cls, row: Row) -> "StoredEvent":
        """From a row of events."""
        return cls(row.seq, row.at, EVENT.validate_python({"kind": row.kind, **row.data}))


@dataclass(frozen=True)
class Limits:
    """How much may wait: tasks, and tokens of their problem statements."""

    tasks: int
    tokens: int
