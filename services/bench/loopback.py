"""A server of the benchmark's own on a free port of this machine, and a plain client of it.

Client and server share a process, and so the interpreter's lock, which counts against the server.
"""

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from orchestrator.session import Session
from services.connections import listen
from services.errors import ServiceError
from services.server import make_server
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from services.settings import ServeSettings

Body = Mapping[str, JsonValue]
"""Of a chat request."""


@contextmanager
def serving(session: Session) -> Iterator[tuple[Served, "Client"]]:
    """A server that is ready, and its client. Raises what loading the model raises."""
    with tempfile.TemporaryDirectory() as folder, listen("127.0.0.1") as listening:
        settings = ServeSettings(data=Path(folder), requests_per_minute=10**6, drain_s=1)
        runtime = Runtime(session, settings)
        server = make_server(runtime)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            runtime.start()
            while not (runtime.models.served or runtime.models.failed):
                time.sleep(0.01)
            if runtime.models.failed is not None:
                raise runtime.models.failed
            yield runtime.models.serving(), Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


class Client:
    """Sends requests; each has a connection of its own, as a new client's would."""

    def __init__(self, port: int) -> None:
        self._port = port

    def tokens(self, body: Body) -> int:
        """Send a request and wait for all of its answer; returns how many tokens it has."""
        with self._sent(body) as answer:
            found: int = json.loads(answer.read())["usage"]["completion_tokens"]
        return found

    def first_token_s(self, body: Body) -> float:
        """Seconds from connecting to the first text of a stream, which is then read to its end."""
        began = time.perf_counter()
        first = None
        with self._sent({**body, "stream": True}) as answer:
            for line in answer:
                if first is None and line.startswith(b"data: {") and _text(line):
                    first = time.perf_counter() - began
        return first if first is not None else time.perf_counter() - began

    def shown(self, body: Body) -> tuple[int, float]:
        """Send an arena's run and follow it to its end; returns how many tokens it has, and the seconds from
        connecting to the first token of the column that is last to begin.
        """
        began = time.perf_counter()
        with self._sent(body, "/v1/arena/runs") as answer:
            run = json.loads(answer.read())
        begun: dict[int, float] = {}
        tokens = 0
        with self._sent(None, f"/v1/arena/runs/{run['id']}/events") as events:
            for line in events:
                told = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: {") else {}
                if told.get("kind") == "token":
                    tokens += 1
                    begun.setdefault(told["column"], time.perf_counter() - began)
        return tokens, max(begun.values())

    @contextmanager
    def _sent(
        self, body: Body | None, path: str = "/v1/chat/completions"
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", path, json.dumps(dict(body)), headers)
            answer = connection.getresponse()
            if answer.status not in (200, 202):
                raise ServiceError(f"the server answered {answer.status}: {answer.read().decode()}")
            yield answer
        finally:
            connection.close()


def _text(line: bytes) -> str:
    text: str = json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"].get("content", "")
    return text
