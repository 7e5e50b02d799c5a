"""The worker: a thread with an event loop of its own that claims tasks and runs a few of them at once.

It is apart from the server's loop because preparing a task reads files and waits for locks. A second thread
renews the leases, whatever the first is doing.
"""

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog

from services.observability.metrics import Metrics
from services.store import Store
from services.store.claims import Claim, Key
from services.work.running import Running, Solve, Why

_POLL_S = 0.5
"""How long a task waits that another server took in, or that was given back."""
_RENEWALS = 10
"""Renewals in the time of a lease; at each it is noticed that a task was cancelled through another server."""
GIVE_BACK_S = 60.0
"""What giving back running tasks may take where nothing hurries: a token, or until the disk has answered."""
_log = structlog.get_logger(__name__)


class Worker:
    """Works on the tasks of one model; start it once."""

    def __init__(self, store: Store, solve: Solve, model: str, metrics: Metrics, concurrency: int) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._store, self._solve, self._model = store, solve, model
        self._metrics, self._concurrency = metrics, concurrency
        self._running: dict[Key, Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._woken = asyncio.Event()
        self._stopping = False
        self._begun, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="task-worker", daemon=True)
        self._heart = threading.Thread(target=self._renew, name="task-leases", daemon=True)

    def start(self) -> None:
        """Begin to claim tasks."""
        self._thread.start()
        self._begun.wait()
        self._heart.start()

    def wake(self) -> None:
        """Look for a task now. Safe from any thread."""
        self._call(self._woken.set)

    def cancel(self, number: int) -> None:
        """Stop a task at its next token, if it runs here. Safe from any thread."""
        self._call(lambda: self._stop_all("cancelled", number))

    def stop(self, drain_s: float, *, finish_s: float = 0.0, give_back_s: float = GIVE_BACK_S) -> bool:
        """Claim nothing more, let tasks end for `finish_s`, then nodes for `drain_s`, and give back the rest.

        Blocks. Returns False where a task could not be given back within `give_back_s`; its lease will end.
        """
        if not self._begun.is_set():
            return True
        self._call(self._claim_no_more)
        if not self._ended.wait(finish_s):
            self._call(self._drain)
            if not self._ended.wait(drain_s):
                self._call(lambda: self._stop_all("stopping"))
        return self._ended.wait(give_back_s)

    def _call(self, function: Callable[[], object]) -> None:
        if self._begun.is_set():
            with suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(function)

    def _claim_no_more(self) -> None:
        self._stopping = True
        self._woken.set()

    def _drain(self) -> None:
        for running in self._running.values():
            running.drain()

    def _stop_all(self, why: Why, number: int | None = None) -> None:
        for running in list(self._running.values()):
            if number in (None, running.claim.task.number):
                running.stop(why)

    def _work(self) -> None:
        try:
            asyncio.run(self._claim_and_run())
        finally:
            self._ended.set()

    async def _claim_and_run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        while not self._stopping:
            if len(self._tasks) >= self._concurrency or not await self._start_one():
                try:
                    await asyncio.wait_for(self._woken.wait(), _POLL_S)
                except TimeoutError:
                    continue
                self._woken.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._ended.set()  # before the loop's threads have ended, one of which may wait for something slow

    async def _start_one(self) -> bool:
        try:
            claim = await asyncio.to_thread(self._store.claims.claim, self.name, self._model)
        except Exception:  # a store that is away for a moment comes back
            _log.exception("no task could be claimed")
            return False
        if claim is None:
            return False
        running = Running(claim, self._store.claims, self._solve, self._metrics)
        self._running[claim.key] = running
        if self._stopping:
            running.stop("stopping")
        if claim.waited_s is not None:
            self._metrics.queue_seconds.observe(claim.waited_s)
        task = self._loop.create_task(self._run(running))
        self._tasks.add(task)
        task.add_done_callback(self._left)
        return True

    async def _run(self, running: Running) -> None:
        try:
            with self._metrics.task_seconds.time():
                await running.run()
        except Exception:  # nothing could be written: the lease ends, and somebody goes on
            _log.exception("task abandoned", task=running.claim.task.id)
        finally:
            del self._running[running.claim.key]

    def _left(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._woken.set()

    def _renew(self) -> None:
        while not self._ended.wait(self._store.claims.lease_s / _RENEWALS):
            claims = [running.claim for running in list(self._running.values())]
            if not claims:
                continue
            try:
                held = self._store.claims.renew(claims)
            except Exception:
                _log.exception("leases could not be renewed")
                continue
            self._call(partial(self._take_in, claims, held))

    def _take_in(self, claims: Sequence[Claim], held: Mapping[Key, bool]) -> None:
        for claim in claims:
            running = self._running.get(claim.key)
            if running is None:
                continue
            if claim.key not in held:
                running.stop("lost")
            elif held[claim.key]:
                running.stop("cancelled")
