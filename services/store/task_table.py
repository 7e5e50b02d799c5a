"""Tasks as their owners see them: create once, look up, list, cancel, resume, forget.

Nobody sees another's.
"""

import re
import secrets
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from services.errors import Busy, Conflict, Invalid
from services.store.database import Database
from services.store.event_table import append
from services.store.records import FINAL, Limits, NewTask, State, StoredTask
from services.store.schema import EVENTS, TASKS
from services.store.telling import Cancelled, Queued

_NOBODY = ""
_ID = re.compile(r"task-[0-9a-f]{24}")


class Tasks:
    """The owners' half of the table; workers use `Claims`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewTask, limits: Limits) -> tuple[StoredTask, bool]:
        """Queue a task, or find the one that this idempotency key made; the flag says whether it is new.

        Raises Invalid where the key was used with another body, Busy where the queue is full.
        """
        now = self._database.now()
        with self._database.write() as connection:
            self._database.lock(connection)
            if new.idempotency_key is not None:
                same = (TASKS.c.owner == new.owner) & (TASKS.c.idempotency_key == new.idempotency_key)
                row = connection.execute(sa.select(TASKS).where(same)).first()
                if row is not None:
                    return _same_body(StoredTask.of(row), new), False
            self._refuse_when_full(connection, new.tokens, limits)
            row = connection.execute(
                sa.insert(TASKS)
                .values(
                    id=f"task-{secrets.token_hex(12)}",
                    owner=new.owner,
                    model=new.model,
                    instance_id=new.instance_id,
                    request=new.request,
                    tokens=new.tokens,
                    idempotency_key=new.idempotency_key,
                    body_sha256=new.body_sha256,
                    state="queued",
                    created_at=now,
                    available_at=now,
                    fence=0,
                    losses=0,
                    cancel_requested=False,
                    last_event=1,
                )
                .returning(TASKS)
            ).one()
            append(connection, row.number, 1, now, [Queued()])
        return StoredTask.of(row), True

    def get(self, owner: str, task_id: str) -> StoredTask | None:
        """A task of this owner; None for one that is not there and for one of somebody else."""
        if not _ID.fullmatch(task_id):
            return None
        with self._database.read() as connection:
            row = connection.execute(sa.select(TASKS).where(_of(owner, task_id))).first()
        return StoredTask.of(row) if row else None

    def list(
        self,
        owner: str,
        *,
        before: int | None,
        most: int,
        state: State | None = None,
        instance_id: str | None = None,
    ) -> list[StoredTask]:
        """An owner's tasks, newest first, from below the number `before` on."""
        chosen = sa.select(TASKS).where(TASKS.c.owner == owner).order_by(TASKS.c.number.desc()).limit(most)
        if before is not None:
            chosen = chosen.where(TASKS.c.number < before)
        if state is not None:
            chosen = chosen.where(TASKS.c.state == state)
        if instance_id is not None:
            chosen = chosen.where(TASKS.c.instance_id == instance_id)
        with self._database.read() as connection:
            return [StoredTask.of(row) for row in connection.execute(chosen)]

    def cancel(self, owner: str, task_id: str) -> StoredTask:
        """Cancel what waits, ask the worker of what runs to stop, leave what is over as it is.

        The task must be there.
        """
        now = self._database.now()
        with self._database.write() as connection:
            row = connection.execute(
                sa.update(TASKS)
                .where(_of(owner, task_id), TASKS.c.state == "queued")
                .values(state="cancelled", finished_at=now, last_event=TASKS.c.last_event + 1)
                .returning(TASKS)
            ).first()
            if row is not None:
                append(connection, row.number, row.last_event, now, [Cancelled()])
                return StoredTask.of(row)
            connection.execute(
                sa.update(TASKS)
                .where(_of(owner, task_id), TASKS.c.state == "running")
                .values(cancel_requested=True)
            )
            return StoredTask.of(connection.execute(sa.select(TASKS).where(_of(owner, task_id))).one())

    def forget(self, owner: str, task_id: str, remove: Callable[[], None]) -> None:
        """Delete all that is known of a task that is over; `remove` deletes what lies outside the store.

        An empty row keeps its number, so that nobody who still knows it meets another task there.
        The task must be there. Raises Conflict for one that is not over, and what `remove` raises; then
        nothing is deleted here.
        """
        with self._database.write() as connection:
            self._database.lock(connection)
            found = connection.execute(sa.select(TASKS).where(_of(owner, task_id)).with_for_update()).one()
            if found.state not in FINAL:
                raise Conflict(f"the task is {found.state}: cancel it first")
            remove()
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.task == found.number))
            connection.execute(
                sa.update(TASKS)
                .where(TASKS.c.number == found.number)
                .values(
                    owner=_NOBODY,
                    instance_id="",
                    request={},
                    body_sha256="",
                    idempotency_key=None,
                    last_event=0,
                    result=None,
                    error=None,
                )
            )

    def resume(self, owner: str, task_id: str, limits: Limits) -> StoredTask:
        """Queue a failed or cancelled task again; it goes on with the node it was in.

        The task must be there. Raises Conflict for one in another state, Busy where the queue is full.
        """
        now = self._database.now()
        with self._database.write() as connection:
            self._database.lock(connection)
            found = connection.execute(sa.select(TASKS).where(_of(owner, task_id)).with_for_update()).one()
            if found.state not in ("failed", "cancelled"):
                raise Conflict(f"the task is {found.state}: only failed and cancelled tasks can be resumed")
            self._refuse_when_full(connection, found.tokens, limits)
            row = connection.execute(
                sa.update(TASKS)
                .where(TASKS.c.number == found.number)
                .values(
                    state="queued",
                    available_at=now,
                    finished_at=None,
                    cancel_requested=False,
                    losses=0,
                    error=None,
                    last_event=TASKS.c.last_event + 1,
                )
                .returning(TASKS)
            ).one()
            append(connection, row.number, row.last_event, now, [Queued()])
        return StoredTask.of(row)

    def counts(self) -> Mapping[str, int]:
        """How many tasks are in each state."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(TASKS.c.state, sa.func.count()).group_by(TASKS.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def waiting(self) -> tuple[int, int]:
        """Tasks in the queue, and the tokens of their problem statements."""
        with self._database.read() as connection:
            return _waiting(connection)

    def waiting_for(self) -> Mapping[str, int]:
        """How many tasks are in the queue for each model."""
        queued = sa.select(TASKS.c.model, sa.func.count()).where(TASKS.c.state == "queued")
        with self._database.read() as connection:
            rows = connection.execute(queued.group_by(TASKS.c.model)).all()
        return {row[0]: row[1] for row in rows}

    def _refuse_when_full(self, connection: sa.Connection, tokens: int, limits: Limits) -> None:
        tasks, queued = _waiting(connection)
        # A task that is larger than the whole queue may wait in it alone: the prompt cap has let it pass.
        if tasks >= limits.tasks or (tasks and queued + tokens > limits.tokens):
            raise Busy(
                f"the queue is full: {tasks} of {limits.tasks} tasks and {queued} of {limits.tokens} tokens "
                "wait; try again later",
                retry_after_s=_retry_after_s(connection, tasks),
            )


def _of(owner: str, task_id: str) -> sa.ColumnElement[bool]:
    return (TASKS.c.owner == owner) & (TASKS.c.id == task_id)


def _same_body(found: StoredTask, new: NewTask) -> StoredTask:
    if found.body_sha256 != new.body_sha256:
        raise Invalid(
            "this Idempotency-Key was used with another body: send the same body, or a key of its own"
        )
    return found


def _waiting(connection: sa.Connection) -> tuple[int, int]:
    row = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(TASKS.c.tokens), 0)).where(
            TASKS.c.state == "queued"
        )
    ).one()
    return int(row[0]), int(row[1])


def _retry_after_s(connection: sa.Connection, waiting: int) -> int:
    """When there may be room: the mean duration of the last tasks that ended, shared by those that run."""
    ended = (
        sa.select((TASKS.c.finished_at - TASKS.c.started_at).label("seconds"))
        .where(TASKS.c.state == "completed")
        .order_by(TASKS.c.number.desc())
        .limit(20)
        .subquery()
    )
    mean = connection.execute(sa.select(sa.func.avg(ended.c.seconds))).scalar() or 10.0
    running = connection.execute(sa.select(sa.func.count()).where(TASKS.c.state == "running")).scalar_one()
    return max(1, min(300, round(float(mean) / max(1, running)))) if waiting else 1
