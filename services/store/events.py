"""Events of tasks, numbered from 1 without gaps, and read back in that order."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.store.database import Database
from services.store.records import FINAL, StoredEvent
from services.store.schema import EVENTS, TASKS

Event = dict[str, Any]


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
                "kind": event["kind"],
                "data": {name: value for name, value in event.items() if name != "kind"},
            }
            for offset, event in enumerate(events)
        ],
    )


class Events:
    """Reading; only what claims and changes a task writes events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, number: int, since: int, most: int = 500) -> tuple[list[StoredEvent], bool]:
        """The next events of a task, and whether it is over and these are its last."""
        with self._database.read() as connection:
            # First the task: what it says of its last event is in the table by the time it says so.
            task = connection.execute(
                sa.select(TASKS.c.state, TASKS.c.last_event).where(TASKS.c.number == number)
            ).one()
            rows = connection.execute(
                sa.select(EVENTS)
                .where(EVENTS.c.task == number, EVENTS.c.seq > since)
                .order_by(EVENTS.c.seq)
                .limit(most)
            ).all()
        found = [StoredEvent(row.seq, row.at, row.kind, row.data) for row in rows]
        reached = found[-1].seq if found else since
        return found, task.state in FINAL and reached >= task.last_event

    def heads(self, numbers: Sequence[int]) -> dict[int, int]:
        """The number of the newest event of each task."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(TASKS.c.number, TASKS.c.last_event).where(TASKS.c.number.in_(numbers))
            ).all()
        return {row.number: row.last_event for row in rows}
