"""What one server process holds: store, models, feed and limits, opened in order and closed in order.

The model is loaded in a thread while the server already answers; until then it is not ready.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from orchestrator.session import Session
from services.errors import StoreError
from services.observability.metrics import Metrics
from services.serving.exchange import STOP_S, Models
from services.serving.feed import Feed
from services.serving.gate import Gate
from services.serving.limits import Rates
from services.serving.revocations import Revocations
from services.settings import ServeSettings
from services.store import Store
from services.store.records import Limits
from services.work.inputs import Inputs
from services.work.running import Solve
from services.work.solving import Solver
from services.work.worker import Worker
from vectors.engine.requests import Ticket

_LOOK_S = 0.02
_CUT_S = 5.0
"""What an answer that was cancelled takes to end at the most."""


class Runtime:
    """Everything the routes work with. `start` once, `stop` once."""

    def __init__(self, session: Session, settings: ServeSettings, *, solve: Solve | None = None) -> None:
        self.settings = settings
        self.store = Store(settings.where, lease_s=settings.lease_s)
        self.metrics = Metrics()
        self.feed = Feed(self.store.events)
        self.revocations = Revocations(self.store.keys, self.feed.wake)
        self.rates = Rates(settings.requests_per_minute)
        self.gate = Gate(settings.chat_requests, settings.chat_tokens)
        self.inputs = Inputs(session.settings, settings)
        self.queue = Limits(settings.queue_tasks, settings.queue_tokens)
        self._solve = solve
        self.models = Models(session, settings, self._new_worker, self._end_chats)
        self.tickets: set[Ticket] = set()
        """Of chat requests in hand."""
        self._stop_begun = False
        self._worker_ended = threading.Event()
        self._clean = True

    def start(self, on_failure: Callable[[], None] = lambda: None) -> None:
        """Load the model in a thread, then begin to work; `on_failure` is called when there is none."""
        self.models.start(on_failure)

    def wake(self) -> None:
        """Have a new task looked for now; it is found sooner or later anyway."""
        if (served := self.models.served) is not None:
            served.worker.wake()

    def cancel(self, number: int) -> None:
        """Stop a task at its next token, if it runs here."""
        if (served := self.models.served) is not None:
            served.worker.cancel(number)

    def unready(self) -> list[str]:
        """What keeps this server from taking work; nothing if it is ready. Blocks."""
        found = [] if self.models.served else ["the model is being loaded"]
        if self.models.stopping:
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
        if self._stop_begun:
            return
        self._stop_begun = self.models.stopping = True
        self.feed.close()
        threading.Thread(target=self._stop_worker, name="stopping", daemon=True).start()
        asyncio.get_running_loop().call_later(self.settings.drain_s, self._cut_off)

    def _stop_worker(self) -> None:
        self._clean = self.models.stop()
        self._worker_ended.set()

    def _cut_off(self) -> None:
        for ticket in list(self.tickets):
            ticket.cancel()

    def stop(self) -> bool:
        """Wait for what `begin_stop` began, and close the store. Blocks.

        Returns False where a task could not be given back; its lease will end.
        """
        self._worker_ended.wait(STOP_S + 1)
        self.models.close()
        self.store.close()
        return self._clean

    def _end_chats(self) -> None:
        """Wait for the chats in hand, and cut off what takes longer. Blocks."""
        for patience in (self.settings.drain_s, _CUT_S):
            until = time.monotonic() + patience
            while self.gate.requests and time.monotonic() < until:
                time.sleep(_LOOK_S)
            self._cut_off()

    def _new_worker(self, session: Session, model: str) -> Worker:
        solve = self._solve or Solver(session, self.inputs, self.settings.data)
        return Worker(self.store, solve, model, self.metrics, self.settings.concurrency)
