"""One claimed task from its claim to what the store says of it in the end.

There are five ends: done, failed, cancelled by its owner, given back because the server stops, and lost to
another worker, of which nothing is written.
"""

import asyncio
import errno
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from orchestrator.errors import OrchestratorError
from orchestrator.events import EmitTask, TaskEvent
from orchestrator.task.solve import AlreadyRunning
from retrieval.errors import RetrievalError
from services.errors import LostClaim
from services.observability.metrics import Metrics
from services.store.claims import Claim, Claims
from services.store.records import StoredTask
from services.store.telling import TaskResult
from services.work.journal import Journal
from swebench.errors import SwebenchError
from swebench.running import stopping
from vectors.errors import EngineClosed, VectorsError

Solve = Callable[[StoredTask, EmitTask], Awaitable[TaskResult]]
"""Works on a task, goes on where an earlier attempt was, tells events, and returns the result."""
Why = Literal["cancelled", "stopping", "lost"]

_RAISED_ON_PURPOSE = (OrchestratorError, RetrievalError, SwebenchError, VectorsError)
_log = structlog.get_logger(__name__)


class _Drained(Exception):
    """A node ended while the server stops; the next one is somebody else's."""


class Running:
    """A task that runs. `stop` and `drain` are called in the loop's own thread."""

    def __init__(self, claim: Claim, claims: Claims, solve: Solve, metrics: Metrics) -> None:
        self.claim = claim
        self._claims, self._solve, self._metrics = claims, solve, metrics
        self._why: Why | None = None
        self._draining = False
        self._unwanted = threading.Event()
        self._work: asyncio.Future[TaskResult] | None = None

    def stop(self, why: Why) -> None:
        """Stop at the next token, and the test runs at once."""
        if self._why is None:
            self._why = why
            self._unwanted.set()
            if self._work is not None:
                self._work.cancel()

    def drain(self) -> None:
        """Stop when the node that runs has ended and its checkpoint is written."""
        self._draining = True

    async def run(self) -> None:
        """Work on the task until one of its ends."""
        log = _log.bind(task=self.claim.task.id, fence=self.claim.task.fence)
        log.info("task started")
        journal = Journal(self._claims, self.claim, lambda: self.stop("lost"))

        def emit(event: TaskEvent) -> None:
            # A node that starts shows that the one before it is in the checkpoint.
            if self._draining and event.kind == "node_started":
                raise _Drained
            self._metrics.event(event)
            journal.add(event)

        end = await self._ended(emit)
        try:
            await journal.close()
            if end is not None:
                await asyncio.to_thread(end)
        except LostClaim:
            self._why = "lost"
        log.info("task left", why=self._why or "done")

    async def _ended(self, emit: EmitTask) -> Callable[[], None] | None:
        """Solve, and return what writes the end; None where it is not ours to write."""
        claims, claim = self._claims, self.claim
        if claim.task.cancel_requested:
            self._why = "cancelled"
            return self._stopped()
        stopping.heed(self._unwanted)
        self._work = asyncio.ensure_future(self._solve(claim.task, emit))
        if self._why is not None:
            self._work.cancel()
        try:
            result = await self._work
        except (_Drained, EngineClosed):
            self._why = "stopping"
            return self._stopped()
        except asyncio.CancelledError:
            return self._stopped()
        except Exception as error:
            return self._failed(error)
        return lambda: claims.complete(claim, result)

    def _stopped(self) -> Callable[[], None] | None:
        claims, claim = self._claims, self.claim
        if self._why == "lost":
            return None
        if self._why == "cancelled":
            return lambda: claims.cancel(claim)
        return lambda: claims.release(claim, "the server stops, or loads another model")

    def _failed(self, error: Exception) -> Callable[[], None]:
        claims, claim = self._claims, self.claim
        if isinstance(error, AlreadyRunning):
            # A worker that lost its lease still holds the folder: it will notice, and then the task is free.
            return lambda: claims.release(claim, None, delay_s=claims.lease_s)
        if _lacks_storage(error):
            # A full or broken disk is nobody's fault: it goes on when there is room again.
            _log.error("task waits for storage", task=claim.task.id, exc_info=error)
            return lambda: claims.release(
                claim, "the server cannot keep anything now", delay_s=claims.lease_s
            )
        if isinstance(error, _RAISED_ON_PURPOSE):
            message = " ".join(str(error.args[0] if error.args else error).split())
        else:
            _log.error("task failed", task=claim.task.id, exc_info=error)
            message = f"internal error; the server's log says more under the task's id, {claim.task.id}"
        return lambda: claims.fail(claim, message)


def _lacks_storage(error: Exception) -> bool:
    """Whether a disk is full, broken or read-only."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_READONLY,
        )
    return isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
    )
