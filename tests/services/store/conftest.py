"""A store on SQLite and on PostgreSQL, with a clock that a test moves."""

import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.store import Store
from services.store.records import Limits, NewTask
from services.store.schema import METADATA
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


def kinds(store, task):
    return [event.kind for event in store.events.after(task.number, 0)[0]]
