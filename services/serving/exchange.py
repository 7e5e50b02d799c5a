"""Which model is in memory, and how another takes its place: fetch, drain, unload, load, continue.

There is one at a time. Whoever works on something holds the `Served` that it began with, so nothing is ever
prepared for one model and run on another. Every task names its model when it is created and waits for it.
"""

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from orchestrator.session import Session
from services.errors import Conflict, Invalid, ServiceError, Unavailable
from services.serving.named_vectors import Vectors
from services.settings import ServeSettings
from services.work.worker import Worker
from vectors.engine.engine import Engine
from vectors.models import loading as models
from vectors.models.loading import LanguageModel
from vectors.suggestions import did_you_mean

STOP_S = 25.0
"""In which a stopping server's tasks are to be given back: five seconds before it has to be gone."""
State = Literal["loading", "ready", "draining"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Served:
    """A model in memory with all that works on it."""

    name: str
    session: Session
    lm: LanguageModel
    engine: Engine
    vectors: Vectors
    worker: Worker


class Models:
    """`start` loads the first model in a thread. `new_worker` makes what runs the tasks of a model."""

    def __init__(
        self,
        session: Session,
        settings: ServeSettings,
        new_worker: Callable[[Session, str], Worker],
        end_chats: Callable[[], None],
    ) -> None:
        self._first, self._settings = session, settings
        self._new_worker, self._end_chats = new_worker, end_chats
        self._sources = {name_of(source): source for source in (*settings.models, session.settings.model)}
        self._lock = threading.Lock()
        self.cache = session.settings.cache
        self.served: Served | None = None
        self.target = name_of(session.settings.model)
        """The model in memory, or the one that is to take its place."""
        self.state: State = "loading"
        self.error: str | None = None
        """Why the last exchange came to nothing."""
        self.failed: Exception | None = None
        """Why there is no model at all."""
        self.stopping = False
        self._on_failure: Callable[[], None] = lambda: None

    @property
    def names(self) -> list[str]:
        """What may be loaded, by the names that requests use."""
        return sorted(self._sources)

    @property
    def digest(self) -> str | None:
        """Of the model in memory."""
        served = self.served
        return served.lm.digest if served is not None else None

    def serving(self) -> Served:
        """The model in memory. Raises Unavailable while there is none, and once the server stops."""
        self.refuse_when_stopping()
        if self.served is None:
            raise Unavailable("the model is being loaded; try again", retry_after_s=5)
        return self.served

    def refuse_when_stopping(self) -> None:
        """Raise Unavailable once the server stops."""
        if self.stopping:
            raise Unavailable("the server is stopping; ask another, or try again", retry_after_s=5)

    def for_task(self, asked: str | None) -> str:
        """The model that a new task has to wait for. Raises Invalid."""
        if asked is not None and asked not in self._sources:
            said = f"{self._said()}{self._near(asked)}"
            raise Invalid(f"model {asked!r} is not served here: leave it out, or ask for {said}")
        return asked or self.target

    def start(self, on_failure: Callable[[], None]) -> None:
        """Load the first model in a thread, then begin to work; where that fails, `on_failure` is called."""
        self._on_failure = on_failure
        threading.Thread(target=self._begin, name="model-loader", daemon=True).start()

    def exchange(self, name: str, wait_s: float) -> None:
        """Begin to put another model in the place of this one, in a thread; tasks may end for `wait_s`.

        Raises Unavailable, Invalid for a model that is not listed, Conflict while another exchange goes on.
        """
        if name not in self._sources:
            raise Invalid(f"model {name!r} may not be loaded here: {self._said()} may{self._near(name)}")
        with self._lock:
            self.serving()
            if self.state != "ready":
                raise Conflict(f"{self.target} is being loaded: wait until it is in memory")
            if name == self.target:
                return
            self.state, self.target, self.error = "draining", name, None
        threading.Thread(target=self._exchange, args=(name, wait_s), name="model-loader", daemon=True).start()

    def stop(self) -> bool:
        """Stop the worker, as it says; it gives back what does not end. Blocks."""
        with self._lock:
            self.stopping = True
            served = self.served
        drain_s = self._settings.drain_s
        return served is None or served.worker.stop(drain_s, give_back_s=STOP_S - drain_s)

    def close(self) -> None:
        """Let go of a model that was loaded here; the first one belongs to whoever opened its session."""
        if self.served is not None and self.served.session is not self._first:
            self.served.engine.close()

    def _begin(self) -> None:
        try:
            self._serve(self._opened(self.target))
        except Exception as error:
            self.failed = error
            self._on_failure()

    def _exchange(self, name: str, wait_s: float) -> None:
        if not self._drained(name, wait_s):
            return
        before = self._unloaded()
        gc.unfreeze()
        gc.collect()
        try:
            self._serve(self._opened(name))
        except Exception as error:
            self._give_up(name, error)
            self.target = before
            self._begin()

    def _drained(self, name: str, wait_s: float) -> bool:
        """Fetch the new model and let the old one's tasks and chats end; False where the old one stays."""
        old = self.served
        assert old is not None
        try:
            # What takes a network is done while the old model still works.
            models.pull(self._sources[name], cache=old.session.settings.cache)
        except Exception as error:
            self._give_up(name, error)
            self.target, self.state = old.name, "ready"
            return False
        if not old.worker.stop(self._settings.drain_s, finish_s=wait_s):
            self._give_up(name, ServiceError("a running task could not be given back in time"))
            self._serve(replace(old, worker=self._new_worker(old.session, old.name)))
            return False
        return not self.stopping

    def _unloaded(self) -> str:
        """Free the model in memory, two would not fit where one does; returns its name."""
        old = self.served
        assert old is not None
        self.served, self.state = None, "loading"
        self._end_chats()
        old.engine.close()
        old.session.let_go()
        return old.name

    def _give_up(self, name: str, error: Exception) -> None:
        self.error = (
            f"{name} could not be loaded: {' '.join(str(error.args[0] if error.args else error).split())}"
        )
        _log.error("model not exchanged", model=name, error=self.error)

    def _opened(self, name: str) -> Served:
        session = self._first
        if name != name_of(session.settings.model):
            chosen = session.settings.model_copy(update={"model": self._sources[name]})
            session = Session(chosen, progress=session.progress, niceness=session.niceness)
        vectors = Vectors(session.model, name, self._settings)
        vectors.warm(session)
        return Served(name, session, session.model, session.engine, vectors, self._new_worker(session, name))

    def _serve(self, served: Served) -> None:
        gc.collect()
        gc.freeze()  # what was loaded stays: a full collection that walks through it holds the loop up
        with self._lock:
            self.served, self.target, self.state = served, served.name, "ready"
            if not self.stopping:
                served.worker.start()
        _log.info("model ready", model=served.name)

    def _near(self, name: str) -> str:
        return did_you_mean(name[:100], self.names)

    def _said(self) -> str:
        return ", ".join(map(repr, self.names))


def name_of(source: str) -> str:
    """What a model is called here: a folder's or a hub id's last part, so that it fits into a path."""
    return source.rstrip("/").rsplit("/", 1)[-1]
