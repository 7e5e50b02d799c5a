"""The tables. Times are seconds since the epoch; `number` orders tasks as they came.

An idempotency key is a column of the task that it made, so the two can only appear together.
"""

import sqlalchemy as sa

VERSION = 1

METADATA = sa.MetaData()

ABOUT = sa.Table(
    "about",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("checked_at", sa.Double, nullable=False),
)
"""One row. It is written to when somebody asks whether the store can be written to."""

TASKS = sa.Table(
    "tasks",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("instance_id", sa.String(200), nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("idempotency_key", sa.String(200)),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("available_at", sa.Double, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.Column("worker", sa.String(100)),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("last_event", sa.Integer, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("owner", "idempotency_key"),
    sa.Index("tasks_due", "state", "available_at"),
    sa.Index("tasks_of_owner", "owner", "number"),
)
"""`available_at`: when a queued task may be claimed, and when the lease of a running one ends."""

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("task", sa.Integer, sa.ForeignKey("tasks.number"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
)

ARENA = sa.Table(
    "arena_results",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("alive_at", sa.Double, nullable=False),
    sa.Column("finished_at", sa.Double),
    sa.Column("last_event", sa.Integer, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.Text),
    sa.Index("arena_of_owner", "owner", "kind", "number"),
)
"""Runs and batches of the arena. `alive_at`: when the process that works on one last said so."""

ARENA_PARTS = sa.Table(
    "arena_parts",
    METADATA,
    sa.Column("result", sa.Integer, sa.ForeignKey("arena_results.number"), primary_key=True),
    sa.Column("first", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.JSON, nullable=False),
)
"""What one of them told, in pieces of many events; `first` is the number of a piece's first."""

OPERATORS = sa.Table(
    "operators", METADATA, sa.Column("key", sa.String(40), sa.ForeignKey("api_keys.id"), primary_key=True)
)
"""Keys that may change the server itself. A table of its own is simply made in a store that lacks it."""
