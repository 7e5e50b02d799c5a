"""Events, keys and the store itself: gap-free, hashed, refused where they are something else."""

import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.events import NodeStarted, TaskEvent, Tokens
from services.errors import NotFound, StoreError
from services.store import Store
from services.store.telling import Queued
from tests.services.store.conftest import EVERY_EVENT, ROOM, new, result


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    with store.database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()


@given(sizes=st.lists(st.integers(1, 7), max_size=12), since=st.integers(0, 60))
@hypothesis_settings(max_examples=25)
def test_events_are_numbered_without_gaps_and_replayed_exactly(sizes, since):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "s.sqlite"))
        task, _ = store.tasks.create(new(), ROOM)
        claim = store.claims.claim("w", "tiny")
        for size in sizes:
            store.claims.record(claim, [Tokens(node="a", count=1, text="é\x00")] * size)
        total = 1 + sum(sizes)
        found, over = store.events.after(task.number, since)
        store.close()
    assert [event.seq for event in found] == list(range(since + 1, total + 1))
    assert not over


def test_events_written_at_once_by_many_threads_have_no_gaps(store):
    task, _ = store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    both = [NodeStarted(node="a"), NodeStarted(node="b")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.claims.record(claim, both), range(20)))
    found, _ = store.events.after(task.number, 0)
    assert [event.seq for event in found] == list(range(1, 42))


def test_every_event_is_read_as_what_was_written(store):
    task, _ = store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    assert {type(event).__name__ for event in EVERY_EVENT} == {
        kind.__name__ for kind in get_args(get_args(TaskEvent)[0])
    }
    store.claims.record(claim, EVERY_EVENT)
    store.claims.complete(claim, result())
    found = [stored.event for stored in store.events.after(task.number, 0).events]
    assert found == [Queued(), *EVERY_EVENT, result().told()]
    assert store.tasks.get("ada", task.id).result == result()


def test_a_reader_knows_when_a_task_is_over(store):
    task, _ = store.tasks.create(new(), ROOM)
    store.claims.fail(store.claims.claim("w", "tiny"), "no")
    assert store.events.after(task.number, 0, most=1)[1] is False
    assert store.events.after(task.number, 1)[1] is True
    assert store.events.after(task.number, 99) == ([], True)


def test_a_key_opens_for_its_owner_until_it_is_revoked(store):
    key, presented = store.keys.create("laptop")
    assert store.keys.owner_of(presented) == key.id
    store.keys.revoke(key.id)
    assert store.keys.owner_of(presented) is None
    assert store.keys.any_made()
    with pytest.raises(NotFound):
        store.keys.revoke(key.id)


@pytest.mark.parametrize("presented", ["", "orch_", "orch_000000000000_" + "A" * 43, "\x00", "é" * 70])
def test_what_is_no_key_opens_nothing(store, presented):
    store.keys.create("laptop")
    assert store.keys.owner_of(presented) is None


def test_a_key_with_another_keys_secret_opens_nothing(store):
    _, one = store.keys.create("one")
    _, other = store.keys.create("other")
    assert store.keys.owner_of(one[:18] + other[18:]) is None


def test_no_secret_is_in_the_file(tmp_path):
    path = tmp_path / "s.sqlite"
    store = Store(path)
    _, presented = store.keys.create("laptop")
    store.close()
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    assert presented.split("_", 2)[2] not in dump


def test_a_store_of_another_version_is_refused(where, clock):
    store = Store(where, now=clock)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE about SET version = 99")
    store.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(where, now=clock)


def test_a_store_that_is_no_database_is_refused_in_one_line(tmp_path):
    (tmp_path / "s.sqlite").write_text("not a database, " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path / "s.sqlite")
    with pytest.raises(StoreError, match="not known"):
        Store("mysql://x/y")
