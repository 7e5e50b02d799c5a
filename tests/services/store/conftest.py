"""A store on SQLite and on PostgreSQL, with a clock that a test moves."""

import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator import events
from orchestrator.policy.decisions import Code, SteeringRecord
from orchestrator.records import FoundDefinition, Hit, NodeRecord
from services.store import Store
from services.store.records import Limits, NewTask
from services.store.schema import METADATA
from services.store.telling import ModelIdentity, TaskResult
from tests.services import postgres

ROOM = Limits(tasks=10_000, tokens=10_000_000)


@pytest.fixture(scope="session")
def postgres_url():
    if reason := postgres.missing():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, postgres.server(Path(folder)) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """A fresh store of each kind: a file, or a database whose tables are dropped afterwards."""
    if request.param == "sqlite":
        yield tmp_path / "store.sqlite"
        return
    url = request.getfixturevalue("postgres_url")
    yield url
    engine = sa.create_engine(url)
    METADATA.drop_all(engine)
    engine.dispose()


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(where, clock):
    store = Store(where, lease_s=10, now=clock)
    yield store
    store.close()


def new(owner="ada", *, body="b", key=None, tokens=10, model="tiny", instance="a__b-1"):
    return NewTask(owner, model, instance, {"instance_id": instance}, tokens, body, key)


def result(patch="diff --git a/a.py b/a.py\n"):
    """What a task leaves that was solved, with one model node."""
    node = NodeRecord(
        name="code_reading",
        steering=SteeringRecord(applied=False, reason="off: baseline", code=Code.BASELINE),
        prompt_tokens=9,
        new_tokens=4,
        seconds=0.1,
    )
    return TaskResult(
        status="patched",
        patch=patch,
        applies=True,
        parses=True,
        files=("é.py",),
        nodes=(node,),
        model=ModelIdentity(id="tiny", revision="local", digest="d" * 64),
    )


EVERY_EVENT = [
    events.NodeStarted(node="bug_analysis", attempt=1),
    events.Decided(node="bug_analysis", steering=result().nodes[0].steering),
    events.Tokens(node="bug_analysis", count=2, text="Zürich\n"),
    events.Progressed(label="indexing", done=1, total=2),
    events.Retrieved(
        hits=[Hit(path="a.py", score=1.5)],
        definitions=[FoundDefinition(path="a.py", name="f", kind="function", lines=(1, 9), score=0.5)],
    ),
    events.NodeFinished(node="bug_analysis", seconds=0.5, new_tokens=2, prompt_tokens=90),
    events.CandidateChecked(number=1, verdict="valid", path="a.py"),
    events.TestsFound(
        command="pytest",
        origin="pyproject.toml",
        place="src",
        passing=3,
        failing=["test_a.py::test_b"],
        flaky=[],
        seconds=1.5,
    ),
    events.Resumed(nodes=["code_reading"]),
    events.TestsFound(
        command="pytest",
        origin="pytest.ini",
        place="venv",
        passing=3,
        failing=["test_a"],
        flaky=[],
        seconds=1.0,
    ),
]
"""One of each that a run tells."""


def kinds(store, task):
    return [stored.event.kind for stored in store.events.after(task.number, 0)[0]]
