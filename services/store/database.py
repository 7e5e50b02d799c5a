"""Connections and transactions, for SQLite in a file and PostgreSQL by a URL.

What is written is on the disk when `write` returns (`synchronous=FULL`). SQLite takes its write lock when a
transaction begins, so that two processes never both read first and then wait for one another.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.errors import StoreError, StoreTrouble
from services.store.schema import ABOUT, METADATA, VERSION

Clock = Callable[[], float]
wall_clock: Clock = time.time
"""Leases are compared between processes, so no clock that starts with the process will do."""

_BUSY_MS = 15_000
_DISK_FULL = "53100"
"""As PostgreSQL says it."""
_LOCK = 7_316_904_582
"""The advisory lock that PostgreSQL holds where SQLite has its one write lock."""


class Database:
    """An engine with the tables made. Safe from any thread and beside other processes."""

    def __init__(self, where: Path | str, now: Clock) -> None:
        self.now = now
        try:
            self._engine = _sqlite(where) if isinstance(where, Path) else _server(where)
            with self.write() as connection:
                self.lock(connection)
                METADATA.create_all(connection)
                self._agree_on_version(connection)
        except (StoreTrouble, sa.exc.SQLAlchemyError, OSError, ModuleNotFoundError) as error:
            reason = error.reason if isinstance(error, StoreTrouble) else _reason(error)
            named = f" {where}" if isinstance(where, Path) else ""  # a URL may hold a password
            raise StoreError(f"the store{named} cannot be opened: {reason}") from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, and sees one moment of the store on SQLite. Raises StoreTrouble."""
        with _trouble_told("read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is on the disk when this is left, or did not happen. Raises StoreTrouble."""
        with _trouble_told("written to"), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    def lock(self, connection: sa.Connection) -> None:
        """Let one transaction at a time go on; SQLite's write transactions are that already."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))

    def check_writable(self) -> None:
        """Write something. Raises StoreTrouble where that fails."""
        with self.write() as connection:
            connection.execute(sa.update(ABOUT).values(checked_at=self.now()))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _agree_on_version(self, connection: sa.Connection) -> None:
        found = connection.execute(sa.select(ABOUT.c.version)).scalar_one_or_none()
        if found is None:
            connection.execute(sa.insert(ABOUT).values(version=VERSION, checked_at=self.now()))
        elif found != VERSION:
            raise StoreError(
                f"the store is of version {found}, this program writes version {VERSION}: "
                "use the program that made it, or another store"
            )


@contextmanager
def _trouble_told(what: str) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InternalError, sa.exc.TimeoutError, sqlite3.Error) as error:
        cause = getattr(error, "orig", error)
        full = getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
        full |= getattr(cause, "sqlstate", "") == _DISK_FULL
        raise StoreTrouble(f"the store cannot be {what}: {_reason(error)}", full=full) from error


def _sqlite(path: Path) -> sa.Engine:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with suppress(PermissionError):  # it is somebody else's, and shared on purpose
        path.chmod(0o600)  # made by an earlier version; what SQLite puts beside it is as private
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=8, max_overflow=32)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says so, nowhere else
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _server(url: str) -> sa.Engine:
    parsed = sa.engine.make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise StoreError(
            f"a store of the kind {parsed.get_backend_name()!r} is not known: "
            "give a postgresql+psycopg://… URL, or none for a file"
        )
    return sa.create_engine(parsed, pool_size=8, max_overflow=32, pool_pre_ping=True)


def _reason(error: Exception) -> str:
    """The driver's own words; a statement's text and parameters are nobody's business."""
    return " ".join(str(getattr(error, "orig", None) or error).split())
