"""Who works on what: a claim is a lease on a task with a fencing number that only ever rises.

A worker that was thought dead and is not finds out when it writes: what it holds has an older number, and
nothing of what it writes is taken. So a task may be begun twice and is never finished twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import JsonValue

from services.errors import LostClaim
from services.store.database import Database
from services.store.event_table import append
from services.store.records import Row, StoredTask
from services.store.schema import TASKS
from services.store.telling import Cancelled, Completed, Event, Failed, Interrupted, TaskResult

MOST_LOSSES = 5
"""Workers that may die in the same node of a task before it is given up: some kill whoever runs them."""


Key = tuple[int, int]
"""A task's number and the fencing number of a claim on it."""


@dataclass(frozen=True)
class Claim:
    """A task that this worker runs; `waited_s` is how long it was in the queue, None on later claims."""

    task: StoredTask
    waited_s: float | None

    @property
    def key(self) -> Key:
        """The task's number and the fencing number."""
        return self.task.number, self.task.fence


class Claims:
    """The workers' half of the table."""

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database, self.lease_s = database, lease_s

    def claim(self, worker: str, model: str) -> Claim | None:
        """Take the oldest task for this model that waits, or whose worker has not renewed its lease."""
        while True:
            row = self._take(worker, model)
            if row is None:
                return None
            first = row.fence == 1
            claim = Claim(StoredTask.of(row), row.started_at - row.created_at if first else None)
            if row.losses <= MOST_LOSSES:
                return claim
            self.fail(claim, f"{row.losses} workers in a row died while they ran this task")

    def _take(self, worker: str, model: str) -> Row | None:
        now = self._database.now()
        due = (
            sa.select(TASKS.c.number)
            .where(
                TASKS.c.model == model,
                TASKS.c.state.in_(("queued", "running")),
                TASKS.c.available_at <= now,
            )
            .order_by(TASKS.c.number)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            return connection.execute(
                sa.update(TASKS)
                .where(TASKS.c.number == due.scalar_subquery())
                .values(
                    losses=sa.case((TASKS.c.state == "running", TASKS.c.losses + 1), else_=TASKS.c.losses),
                    state="running",
                    fence=TASKS.c.fence + 1,
                    worker=worker,
                    available_at=now + self.lease_s,
                    started_at=sa.func.coalesce(TASKS.c.started_at, now),
                )
                .returning(TASKS)
            ).first()

    def renew(self, claims: Sequence[Claim]) -> Mapping[Key, bool]:
        """Extend the leases that are still held; of those, whether somebody wants the task cancelled."""
        held: dict[Key, bool] = {}
        with self._database.write() as connection:
            for claim in claims:
                row = connection.execute(
                    sa.update(TASKS)
                    .where(_held(claim))
                    .values(available_at=self._database.now() + self.lease_s)
                    .returning(TASKS.c.cancel_requested)
                ).first()
                if row is not None:
                    held[claim.key] = row.cancel_requested
        return held

    def record(self, claim: Claim, events: Sequence[Event]) -> None:
        """Store events of a running task. Raises LostClaim."""
        progress: dict[str, JsonValue] = (
            {"losses": 0} if any(event.kind == "node_finished" for event in events) else {}
        )
        self._write(claim, events, progress)

    def complete(self, claim: Claim, result: TaskResult) -> None:
        """Leave a task with its result. Raises LostClaim."""
        self._end(claim, result.told(), state="completed", result=result.model_dump(mode="json"))

    def fail(self, claim: Claim, error: str) -> None:
        """Leave a task that cannot be done, with the reason in one line. Raises LostClaim."""
        self._end(claim, Failed(error=error), state="failed", error=error)

    def cancel(self, claim: Claim) -> None:
        """Leave a task whose owner cancelled it. Raises LostClaim."""
        self._end(claim, Cancelled(), state="cancelled")

    def release(self, claim: Claim, reason: str | None, *, delay_s: float = 0.0) -> None:
        """Put a task back, to be claimed by anybody after `delay_s`; a reason is told. Raises LostClaim."""
        values: dict[str, JsonValue] = {"state": "queued", "available_at": self._database.now() + delay_s}
        self._write(claim, [Interrupted(reason=reason)] if reason else [], values)

    def _end(self, claim: Claim, event: Completed | Failed | Cancelled, **values: JsonValue) -> None:
        values["finished_at"] = self._database.now()
        self._write(claim, [event], values)

    def _write(self, claim: Claim, events: Sequence[Event], values: Mapping[str, JsonValue]) -> None:
        with self._database.write() as connection:
            row = connection.execute(
                sa.update(TASKS)
                .where(_held(claim))
                .values(last_event=TASKS.c.last_event + len(events), **values)
                .returning(TASKS.c.last_event)
            ).first()
            if row is None:
                raise LostClaim(f"{claim.task.id} is another worker's now, or over")
            if events:
                append(connection, claim.task.number, row.last_event, self._database.now(), events)


def _held(claim: Claim) -> sa.ColumnElement[bool]:
    number, fence = claim.key
    return (TASKS.c.number == number) & (TASKS.c.fence == fence) & (TASKS.c.state == "running")
