"""Everything that must outlive a process: tasks, their events, claims, API keys and what the arena showed.

SQLite in one file by default, PostgreSQL by a URL with the same code. Every function blocks; callers in an
event loop go through a thread.
"""

from pathlib import Path

from services.store.arena_table import ArenaResults
from services.store.claims import Claims
from services.store.database import Clock, Database, wall_clock
from services.store.event_table import Events
from services.store.key_table import Keys
from services.store.task_table import Tasks


class Store:
    """Use as `store.tasks`, `.claims`, `.events`, `.keys` and `.arena`; `close` when done."""

    def __init__(self, where: Path | str, *, lease_s: float = 15.0, now: Clock = wall_clock) -> None:
        """Open a file, or a database by URL (postgresql+psycopg://…). Raises StoreError."""
        self.database = Database(where, now)
        self.tasks = Tasks(self.database)
        self.claims = Claims(self.database, lease_s)
        self.events = Events(self.database)
        self.keys = Keys(self.database)
        self.arena = ArenaResults(self.database, lease_s)

    def close(self) -> None:
        """Close every connection."""
        self.database.close()
