"""What one server process holds: store, model, worker, feed and limits, opened in order and closed in order.

The model is loaded in a thread while the server already answers; until then it is not ready.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

import structlog

from orchestrator.workbench import Workbench
from services.chat.gate import Gate
from services.chat.steering import Vectors
from services.errors import StoreError, Unavailable
from services.feed import Feed
from services.inputs import Inputs
from services.limits import Rates
from services.metrics import Metrics
from services.settings import ServeSettings
from services.store import Store
from services.store.records import Limits
from services.work.running import Solve
from services.work.solving import Solver
from services.work.worker import Worker
from vectors.requests import Ticket

_log = structlog.get_logger(__name__)


class Runtime:
    """Everything the routes work with. `start` once, `stop` once."""

    def __init__(self, bench: Workbench, settings: ServeSettings, *, solve: Solve | None = None) -> None:
        self.bench, self.settings = bench, settings
        self.model_name = bench.settings.model.rstrip("/").rsplit("/", 1)[-1]
        """What the model is called here: a folder's or a hub id's last part, so that it fits into a path."""
        self.store = Store(settings.where, lease_s=settings.lease_s)
        self.metrics = Metrics()
        self.feed = Feed(self.store.events)
        self.rates = Rates(settings.requests_per_minute)
        self.gate = Gate(settings.chat_requests, settings.chat_tokens)
        self.inputs = Inputs(bench, settings, self.model_name)
        self.queue = Limits(settings.queue_tasks, settings.queue_tokens)
        solve = solve or Solver(bench, self.inputs, settings.data)
        self.worker = Worker(self.store, solve, self.model_name, self.metrics, settings.concurrency)
        self.stopping = False
        self.failed: Exception | None = None
        self.tickets: set[Ticket] = set()
        """Of chat requests in hand."""
        self._loaded = threading.Event()
        self._worker_ended = threading.Event()
        self._clean = True

    @cached_property
    def vectors(self) -> Vectors:
        """The vectors that requests may name; needs the model."""
        return Vectors(self.bench, self.model_name, self.settings)

    def start(self, on_failure: Callable[[], None] = lambda: None) -> None:
        """Load the model in a thread, then begin to work; where that fails, `on_failure` is called."""
        threading.Thread(target=self._load, args=(on_failure,), name="model-loader", daemon=True).start()

    def _load(self, on_failure: Callable[[], None]) -> None:
        try:
            _ = self.bench.model, self.bench.engine
            self.vectors.warm()
        except Exception as error:
            self.failed = error
            on_failure()
            return
        if not self.stopping:
            self._loaded.set()
            self.worker.start()
            _log.info("model ready", model=self.model_name)

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory and its vectors are at hand."""
        return self._loaded.is_set()

    def engine(self) -> Any:
        """The engine. Raises Unavailable while the model is being loaded, and once the server stops."""
        if self.stopping:
            raise Unavailable("the server is stopping; ask another, or try again", retry_after_s=5)
        if not self.loaded:
            raise Unavailable("the model is being loaded; try again", retry_after_s=5)
        return self.bench.engine

    def refuse_new_work(self) -> None:
        """Raise Unavailable once the server stops."""
        if self.stopping:
            raise Unavailable("the server is stopping; ask another, or try again", retry_after_s=5)

    def unready(self) -> list[str]:
        """What keeps this server from taking work; nothing if it is ready. Blocks."""
        found = [] if self.loaded else ["the model is being loaded"]
        if self.stopping:
            found.append("the server is stopping")
        try:
            self.store.database.check_writable()
            if self.store.tasks.waiting()[0] >= self.queue.tasks:
                found.append("the queue is full")
        except StoreError as error:
            found.append(str(error))
        return found

    def begin_stop(self) -> None:
        """Take nothing new, end the event streams, and let running nodes and answers end; returns at once.

        What has not ended after `drain_s` is stopped: tasks are given back, answers are cut off and say so.
        Called in the server's loop, perhaps more than once.
        """
        if self.stopping:
            return
        self.stopping = True
        self.feed.close()
        threading.Thread(target=self._stop_worker, name="stopping", daemon=True).start()
        asyncio.get_running_loop().call_later(self.settings.drain_s, self._cut_off)

    def _stop_worker(self) -> None:
        self._clean = self.worker.stop(self.settings.drain_s)
        self._worker_ended.set()

    def _cut_off(self) -> None:
        for ticket in list(self.tickets):
            ticket.cancel()

    def stop(self) -> bool:
        """Wait for what `begin_stop` began, and close the store. Blocks.

        Returns False where a task could not be given back; its lease will end.
        """
        self._worker_ended.wait(self.settings.drain_s + 6)
        self.store.close()
        return self._clean
