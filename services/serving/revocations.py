"""Ends what a key has running once it is revoked, by whichever process: a stream may go on for minutes."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio.to_thread
import structlog

from services.store.key_table import Keys

_POLL_S = 0.5
_log = structlog.get_logger(__name__)


class Revocations:
    """Use in one event loop. It asks the store only while something runs."""

    def __init__(self, keys: Keys, on_revoked: Callable[[], None]) -> None:
        self._keys, self._on_revoked = keys, on_revoked
        self._held: dict[asyncio.Event, str] = {}
        self._poller: asyncio.Task[None] | None = None

    @contextmanager
    def heeded(self, owner: str) -> Iterator[asyncio.Event]:
        """An event that is set once the owner's key is revoked."""
        revoked = asyncio.Event()
        self._held[revoked] = owner
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield revoked
        finally:
            del self._held[revoked]

    async def _poll(self) -> None:
        while self._held:
            try:
                gone = await anyio.to_thread.run_sync(self._keys.revoked, set(self._held.values()))
            except Exception:  # what runs goes on until the store is back
                _log.exception("revoked keys could not be looked for")
                gone = set()
            for revoked, owner in self._held.items():
                if owner in gone:
                    revoked.set()
            if gone:
                self._on_revoked()
            await asyncio.sleep(_POLL_S)
