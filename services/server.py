"""The process: the app under uvicorn, signals, and an end within thirty seconds."""

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

import click
import structlog
import uvicorn

from orchestrator.cli.interruption import INTERRUPTED, leave, says, tell
from orchestrator.session import Session
from orchestrator.settings import Settings
from retrieval.errors import RetrievalError
from retrieval.store import RepoStore
from services.app import Door, create_app, edged
from services.connections import BACKLOG, IDLE_S, Connections, Guarded, listen
from services.errors import BadSetup
from services.observability import tracing
from services.observability.throttle import Throttle
from services.serving.runtime import Runtime
from services.settings import HEADER_BYTES, ServeSettings

ENGINE_NICENESS = 10
"""The server's loop and its threads answer while the engine has all processors busy."""
_CLOSE_S = 3
"""What closing takes after running nodes and answers had their time."""
_PATIENCE_S = 1.5
"""After so long a stop that is not over says what it waits for."""
_IDLE_THREADS_S = 1
"""Threads that wait for work have been told to end by then."""
_log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Tells the runtime of its end before uvicorn waits for the streams that only the runtime can end."""

    def __init__(self, config: uvicorn.Config, runtime: Runtime) -> None:
        super().__init__(config)
        self._runtime = runtime
        self.interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of Ctrl-C; what uvicorn does with a signal it does once more as the server ends."""
        self.interrupted |= sig == signal.SIGINT
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking work first, then close the connections as their answers end."""
        self._runtime.begin_stop()
        word = asyncio.get_running_loop().call_later(_PATIENCE_S, self._say_what_is_awaited)
        await super().shutdown(sockets)
        word.cancel()

    def _say_what_is_awaited(self) -> None:
        click.echo(
            f"stopping: running nodes and answers may end for {self._runtime.settings.drain_s:g} s; "
            "Ctrl-C leaves at once",
            err=True,
        )


def serve(
    machine: Settings, settings: ServeSettings, doors: Callable[[Runtime], Sequence[Door]] = lambda _: ()
) -> int:
    """Serve until a signal; returns 0, or for Ctrl-C what an interruption is. `doors` makes further ways in.

    Raises BadSetup, StoreError, and what loading the model raises.
    """
    with opened(machine, settings) as runtime:
        _refuse_unsafe(runtime)
        listening = _listen(settings)
        server = make_server(runtime, doors(runtime))
        _say(runtime, listening)
        runtime.start(on_failure=lambda: setattr(server, "should_exit", True))
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: None)  # uvicorn raises a signal again once it has heeded it
        server.run(sockets=[listening])
        if runtime.models.failed is not None:
            raise runtime.models.failed
    code = INTERRUPTED if server.interrupted else 0
    if server.interrupted:
        says("interrupted: tasks that ran go on with the next server")
        tell()
    _leave(code)
    return code


@contextmanager
def opened(machine: Settings, settings: ServeSettings) -> Iterator[Runtime]:
    """What a process serves with, not begun yet. Raises BadSetup, StoreError."""
    tracing.configure()
    for name, folder in settings.repositories.items():
        try:
            RepoStore.local(folder)
        except RetrievalError as error:
            raise BadSetup(f"the setting serve.repositories.{name}: {error}") from None
    for handler in logging.getLogger().handlers:
        handler.addFilter(Throttle())
    with Session(machine, progress=lambda *_: None, niceness=ENGINE_NICENESS) as session:
        yield Runtime(session, settings)


def make_server(runtime: Runtime, doors: Sequence[Door] = ()) -> Server:
    """The server of a runtime, with its limits; run it on a socket of one's own."""
    settings = runtime.settings
    logging.getLogger("uvicorn.error").addFilter(_not_again)
    config = uvicorn.Config(
        edged(create_app(runtime, doors)),
        http=partial(Guarded, Connections(settings.connections, settings.connections_each)),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=int(settings.drain_s) + _CLOSE_S,
        timeout_keep_alive=IDLE_S,
        backlog=BACKLOG,
    )
    return Server(config, runtime)


def _not_again(record: logging.LogRecord) -> bool:
    """The edge has logged what a request fails with."""
    return not str(record.msg).startswith("Exception in ASGI application")


def _refuse_unsafe(runtime: Runtime) -> None:
    if not runtime.settings.loopback and not runtime.store.keys.any_made():
        raise BadSetup(
            f"{runtime.settings.host} can be reached by other machines and there is no key: "
            "make one with `orchestrate keys create --name NAME`, or listen on 127.0.0.1"
        )


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        raise BadSetup(
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}; choose another --port"
        ) from error


def _say(runtime: Runtime, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"http://{shown}:{port} serves {runtime.models.target}", err=True)
    if not runtime.store.keys.any_made():
        click.echo(
            "open without keys, to this machine only: every local program may call it, as one owner", err=True
        )


def _leave(code: int) -> None:
    """End although a thread may still wait for something slow, such as a test run of a task given back."""
    ends = time.monotonic() + _IDLE_THREADS_S
    left = [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
    for thread in left:
        thread.join(max(0.0, ends - time.monotonic()))
    left = [thread for thread in left if thread.is_alive()]
    if left:
        _log.info("leaving work that cannot be stopped", threads=[thread.name for thread in left])
        leave(code)
