"""What the arena showed: runs and batches with their events, an owner's own, the oldest of which make room.

A run that nobody says to be alive any more counts as interrupted; nothing has to be written for that.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import sqlalchemy as sa
from pydantic import JsonValue

from services.store.database import Database
from services.store.records import Row
from services.store.schema import ARENA, ARENA_PARTS

Kind = Literal["run", "batch"]
ShownState = Literal["running", "done", "cancelled", "failed", "interrupted"]
_ID = re.compile(r"(run|batch)-[0-9a-f]{24}")
Events = Sequence[dict[str, JsonValue]]
"""Of one result, as JSON."""


@dataclass(frozen=True)
class StoredResult:
    """A run or a batch as it stands in the store; `number` orders them and never leaves the server.

    `last_event` counts what is in the store of its events.
    """

    number: int
    id: str
    owner: str
    kind: Kind
    model: str
    state: ShownState
    created_at: float
    alive_at: float
    finished_at: float | None
    last_event: int
    request: dict[str, JsonValue]
    result: dict[str, JsonValue] | None
    error: str | None

    @property
    def over(self) -> bool:
        """Whether nobody works on it."""
        return self.state != "running"


def moment(seconds: float) -> datetime:
    """A time of the store."""
    return datetime.fromtimestamp(seconds, UTC)


class ArenaResults:
    """The table of results; `lease_s` without a sign of life end one."""

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database, self._lease_s = database, lease_s

    def create(
        self, owner: str, kind: Kind, model: str, request: dict[str, JsonValue], most: int
    ) -> StoredResult:
        """Begin one, and forget the oldest of this owner's that are more than `most` and over."""
        now = self._database.now()
        with self._database.write() as connection:
            row = connection.execute(
                sa.insert(ARENA)
                .values(
                    id=f"{kind}-{secrets.token_hex(12)}",
                    owner=owner,
                    kind=kind,
                    model=model,
                    state="running",
                    created_at=now,
                    alive_at=now,
                    last_event=0,
                    request=request,
                )
                .returning(ARENA)
            ).one()
            theirs = (
                sa.select(ARENA)
                .where(ARENA.c.owner == owner, ARENA.c.kind == kind)
                .order_by(ARENA.c.number.desc())
                .offset(most)
            )
            old = [self._stored(each) for each in connection.execute(theirs)]
            _delete(connection, [each.number for each in old if each.over])
        return self._stored(row)

    def get(self, owner: str, kind: Kind, result_id: str) -> StoredResult | None:
        """An owner's; None for one that is not there and for one of somebody else."""
        if not _ID.fullmatch(result_id):
            return None
        chosen = sa.select(ARENA).where(ARENA.c.id == result_id, ARENA.c.owner == owner, ARENA.c.kind == kind)
        with self._database.read() as connection:
            row = connection.execute(chosen).first()
        return None if row is None else self._stored(row)

    def list(self, owner: str, kind: Kind, before: int | None, most: int) -> list[StoredResult]:
        """An owner's, newest first, from below the number `before` on."""
        chosen = sa.select(ARENA).where(ARENA.c.owner == owner, ARENA.c.kind == kind)
        if before is not None:
            chosen = chosen.where(ARENA.c.number < before)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(ARENA.c.number.desc()).limit(most)).all()
        return [self._stored(row) for row in rows]

    def reopen(self, number: int) -> StoredResult | None:
        """Let somebody work on one again that is over; None where it is not."""
        now = self._database.now()
        with self._database.write() as connection:
            self._database.lock(connection)
            row = connection.execute(sa.select(ARENA).where(ARENA.c.number == number)).first()
            if row is None or not self._stored(row).over:
                return None
            changed = {"state": "running", "alive_at": now, "finished_at": None, "error": None}
            again = sa.update(ARENA).where(ARENA.c.number == number).values(**changed).returning(ARENA)
            return self._stored(connection.execute(again).one())

    def record(self, number: int, first: int, events: Events) -> None:
        """Add events, the first of which has that number, and say that somebody works on it."""
        with self._database.write() as connection:
            _append(connection, number, first, events)
            reached = {"last_event": first + len(events) - 1} if events else {}
            connection.execute(
                sa.update(ARENA)
                .where(ARENA.c.number == number)
                .values(alive_at=self._database.now(), **reached)
            )

    def end(
        self,
        number: int,
        state: ShownState,
        first: int,
        events: Events,
        result: dict[str, JsonValue] | None,
        error: str | None = None,
    ) -> None:
        """Add the last events, and what came of it all."""
        now = self._database.now()
        with self._database.write() as connection:
            _append(connection, number, first, events)
            connection.execute(
                sa.update(ARENA)
                .where(ARENA.c.number == number)
                .values(
                    state=state,
                    finished_at=now,
                    alive_at=now,
                    last_event=first + len(events) - 1,
                    result=result,
                    error=error,
                )
            )

    def events(self, number: int, since: int = 0) -> Events:
        """The events of one after that number, as far as they are in the store."""
        parts = (
            sa.select(ARENA_PARTS).where(ARENA_PARTS.c.result == number).order_by(ARENA_PARTS.c.first.desc())
        )
        found: list[tuple[int, Events]] = []
        with self._database.read() as connection:
            for row in connection.execute(parts):
                found.append((row.first, row.data))
                if row.first <= since + 1:
                    break
        return [
            event
            for first, events in reversed(found)
            for place, event in enumerate(events, first)
            if place > since
        ]

    def forget(self, number: int) -> None:
        """Delete all of it."""
        with self._database.write() as connection:
            _delete(connection, [number])

    def _stored(self, row: Row) -> StoredResult:
        found = StoredResult(**{name: row._mapping[name] for name in StoredResult.__dataclass_fields__})
        dead = found.state == "running" and found.alive_at + self._lease_s < self._database.now()
        return replace(found, state="interrupted") if dead else found


def _append(connection: sa.Connection, number: int, first: int, events: Events) -> None:
    there = connection.execute(sa.select(ARENA.c.number).where(ARENA.c.number == number)).first()
    if events and there is not None:  # its owner may have deleted it
        connection.execute(sa.insert(ARENA_PARTS).values(result=number, first=first, data=list(events)))


def _delete(connection: sa.Connection, numbers: Sequence[int]) -> None:
    if numbers:
        connection.execute(sa.delete(ARENA_PARTS).where(ARENA_PARTS.c.result.in_(numbers)))
        connection.execute(sa.delete(ARENA).where(ARENA.c.number.in_(numbers)))
