"""A real server in the test's own process: real HTTP, a real SQLite file, and a real engine on a tiny model.

What a task does is scripted where its own work is not the matter; `test_processes.py` and
`test_real_model.py` are about the whole.
"""

import asyncio
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import torch

from orchestrator import logs
from orchestrator.events import NodeFinished, NodeStarted, Tokens
from orchestrator.session import Session
from orchestrator.settings import Settings
from services.connections import listen
from services.server import make_server
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from services.store.telling import TaskResult
from tests.orchestrator.conftest import project, tiny_model  # noqa: F401
from tests.services.store.conftest import result

RESULT = result("diff --git a/é.py b/é.py\n")
INSTANCE = {"instance_id": "harborlab__tidetable-23"}


@pytest.fixture(scope="session")
def session(tiny_model, tmp_path_factory, cache_dir) -> Iterator[Session]:  # noqa: F811
    """The tiny model and its engine, opened once; greedy answers go on until somebody stops them."""
    settings = Settings(model=str(tiny_model), cache=tmp_path_factory.mktemp("cache"), dtype="float32")
    with Session(settings, progress=lambda *_: None) as session:
        with torch.no_grad():
            session.model.model.lm_head.weight[session.model.tokenizer.eos_token_id] = 0
        yield session


class Script:
    """What tasks do instead of solving: a few events and a result; `gate` holds them in the first node."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.text = "Zürich\n\ndata: x"

    async def __call__(self, task, emit) -> TaskResult:
        self.begun.append(task.id)
        emit(NodeStarted(node="code_reading"))
        for number, text in enumerate(self.text, 1):
            emit(Tokens(node="code_reading", count=number, text=text))
        while not self.gate.is_set():
            await asyncio.sleep(0.01)
        emit(NodeFinished(node="code_reading", seconds=0.1))
        emit(NodeStarted(node="retrieve"))
        if self.error:
            raise self.error
        return RESULT


class Live:
    """A server that runs, and a client of it."""

    def __init__(self, runtime: Runtime, url: str, stop: Callable[[], None]) -> None:
        self.runtime, self.url, self.stop = runtime, url, stop
        self.http = httpx.Client(base_url=url, timeout=None)

    @property
    def session(self) -> Session:
        """What holds the model in memory."""
        return self.runtime.models.serving().session

    def wait(self, task_id: str, *states: str, **headers) -> dict:
        """The task, once it is in one of the states."""
        return until(
            lambda: (
                task
                if (task := self.http.get(f"/v1/tasks/{task_id}", **headers).json())["state"] in states
                else None
            )
        )

    def create(self, body=INSTANCE, **headers) -> dict:
        answer = self.http.post("/v1/tasks", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()


def until(found):
    """What a function returns as soon as it is something; a test's own limit ends what never is."""
    while not (value := found()):
        time.sleep(0.01)
    return value


def sse(text: str) -> list[tuple[int | None, str, str]]:
    """The frames of an event stream: id, kind, data."""
    frames = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":")
        if fields:
            number = int(fields["id"]) if "id" in fields else None
            frames.append((number, fields["event"], fields["data"]))
    return frames


@pytest.fixture
def log_lines(monkeypatch) -> Iterator[Callable[[str], list[dict]]]:
    """What gives the log's lines with a text in them, once there are any.

    The log goes to memory: pytest's own capture empties its file between two steps when it is read, and what
    another thread writes just then is gone.
    """
    written = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        logs.configure("info")

    def there(part: str) -> list[dict]:
        complete = written.getvalue().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines() if part in line]

    def lines(part: str) -> list[dict]:
        until(lambda: there(part))
        time.sleep(0.2)  # for one that would come twice
        return there(part)

    yield lines
    logs.configure("warning")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def serving(session, tmp_path, script):
    """Starts servers with settings of the test's own; all are stopped in the end."""
    stops = []

    def start(*, ready: bool = True, doors=lambda _: (), **settings) -> Live:
        chosen = ServeSettings(**{"data": tmp_path / "service", "drain_s": 1.0, **settings})
        runtime = Runtime(session, chosen, solve=script)
        live = run(runtime, doors(runtime))
        stops.append(live)
        if ready:
            runtime.start()
            until(lambda: runtime.models.served or runtime.models.failed)
            assert runtime.models.failed is None
        return live

    yield start
    script.gate.set()
    for live in stops:
        live.stop()


def run(runtime: Runtime, doors=()) -> Live:
    server = make_server(runtime, doors)
    listening = listen("127.0.0.1")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return Live(runtime, f"http://127.0.0.1:{listening.getsockname()[1]}", stop)


@pytest.fixture
def live(serving) -> Live:
    return serving()


@contextmanager
def held(script: Script) -> Iterator[None]:
    """Tasks stay in their first node until this is left."""
    script.gate.clear()
    try:
        yield
    finally:
        script.gate.set()
