"""Events of tasks, numbered from 1 without gaps, and read back in that order."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from services.store.database import Database
from services.store.records import FINAL, State, StoredEvent
from services.store.schema import EVENTS, TASKS
from services.store.telling import Event

Position = tuple[int, int]
"""A task's number and that of the last event that somebody has read."""
_MOST = 500


class News(NamedTuple):
    """Events of a task; `over` says that it is and that these are its last."""

    events: list[StoredEvent]
    over: bool


def append(connection: sa.Connection, number: int, last: int, at: float, events: Sequence[Event]) -> None:
    """Insert events of a task whose counter this transaction has already raised to `last`."""
    first = last - len(events) + 1
    connection.execute(
        sa.insert(EVENTS),
        [
            {
                "task": number,
                "seq": first + offset,
                "at": at,
                "kind": event.kind,
                "data": event.model_dump(mode="json", exclude={"kind"}),
            }
            for offset, event in enumerate(events)
        ],
    )


class Events:
    """Reading; only what claims and changes a task writes events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, number: int, since: int, most: int = _MOST) -> News:
        """The next events of a task. Raises KeyError where there is no such task."""
        with self._database.read() as connection:
            return _after(connection, _tasks(connection, [number])[number], since, most)

    def news(self, reached: Collection[Position]) -> dict[Position, News]:
        """The next events of many tasks, for the positions after which there are any or never will be."""
        with self._database.read() as connection:
            tasks = _tasks(connection, {number for number, _ in reached})
            return {
                (number, since): _after(connection, tasks[number], since)
                for number, since in reached
                if tasks[number].last_event > since or tasks[number].state in FINAL
            }


class _Reached(NamedTuple):
    """A task, its state, and the number of its last event."""

    number: int
    state: State
    last_event: int


def _tasks(connection: sa.Connection, numbers: Collection[int]) -> dict[int, _Reached]:
    # Before the events: what a task says of its last event is in the table by the time it says so.
    columns = (TASKS.c.number, TASKS.c.state, TASKS.c.last_event)
    rows = connection.execute(sa.select(*columns).where(TASKS.c.number.in_(numbers))).all()
    return {row.number: _Reached(*row) for row in rows}


def _after(connection: sa.Connection, task: _Reached, since: int, most: int = _MOST) -> News:
    rows = connection.execute(
        sa.select(EVENTS)
        .where(EVENTS.c.task == task.number, EVENTS.c.seq > since)
        .order_by(EVENTS.c.seq)
        .limit(most)
    ).all()
    found = [StoredEvent.of(row) for row in rows]
    reached = found[-1].seq if found else since
    return News(found, over=task.state in FINAL and reached >= task.last_event)
