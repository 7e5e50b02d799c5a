"""What the store hands out: tasks and events as plain values."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

State = Literal["queued", "running", "completed", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINAL: tuple[State, ...] = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class NewTask:
    """What a task is made of; `tokens` is its weight in the queue, `body_sha256` the hash of its request."""

    owner: str
    model: str
    instance_id: str
    request: dict[str, Any]
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
    request: dict[str, Any]
    body_sha256: str
    state: State
    created_at: float
    started_at: float | None
    finished_at: float | None
    fence: int
    cancel_requested: bool
    last_event: int
    result: dict[str, Any] | None
    error: str | None

    @classmethod
    def of(cls, row: sa.Row[Any]) -> "StoredTask":
        """From a row that holds at least these columns."""
        found = row._mapping
        return cls(**{name: found[name] for name in cls.__dataclass_fields__})

    @property
    def final(self) -> bool:
        """Whether nothing more happens to it unless somebody resumes it."""
        return self.state in FINAL


@dataclass(frozen=True)
class StoredEvent:
    """One event of one task; `seq` counts from 1 without gaps."""

    seq: int
    at: float
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How much may wait: tasks, and tokens of their problem statements."""

    tasks: int
    tokens: int
