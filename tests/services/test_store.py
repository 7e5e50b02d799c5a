"""The store, on SQLite and PostgreSQL: it outlives processes, and nobody gets what is not theirs."""

import multiprocessing
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.errors import Busy, Conflict, Invalid, LostClaim, NotFound, StoreError
from services.store import Store
from services.store.claims import MOST_LOSSES
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


def test_a_task_is_there_with_its_first_event_once_it_was_created(store):
    task, created = store.tasks.create(new(), ROOM)
    assert created
    assert store.tasks.get("ada", task.id) == task
    assert (task.state, task.last_event) == ("queued", 1)
    assert kinds(store, task) == ["queued"]


def test_a_task_outlives_the_store_that_made_it(where, clock):
    first = Store(where, now=clock)
    task, _ = first.tasks.create(new(), ROOM)
    first.close()
    again = Store(where, now=clock)
    assert again.tasks.get("ada", task.id) == task
    again.close()


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    with store.database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()


def test_nobody_gets_another_owners_task(store):
    task, _ = store.tasks.create(new("ada"), ROOM)
    assert store.tasks.get("bob", task.id) is None
    assert store.tasks.list("bob", before=None, most=10) == []


@pytest.mark.parametrize("task_id", ["", "task-", "../x", "task-\x00", "task-" + "0" * 24, "' OR 1=1 --"])
def test_an_id_that_is_none_finds_nothing(store, task_id):
    store.tasks.create(new(), ROOM)
    assert store.tasks.get("ada", task_id) is None


def test_the_same_key_and_body_give_the_same_task_even_when_the_queue_is_full(store):
    one = Limits(tasks=1, tokens=100)
    first, created = store.tasks.create(new(key="k"), one)
    again, made_again = store.tasks.create(new(key="k"), one)
    assert (created, made_again) == (True, False)
    assert first.id == again.id


def test_the_same_key_with_another_body_is_refused(store):
    store.tasks.create(new(key="k", body="b"), ROOM)
    with pytest.raises(Invalid, match="another body"):
        store.tasks.create(new(key="k", body="c"), ROOM)


def test_an_idempotency_key_belongs_to_its_owner(store):
    mine, _ = store.tasks.create(new("ada", key="k"), ROOM)
    theirs, created = store.tasks.create(new("bob", key="k", body="c"), ROOM)
    assert created
    assert mine.id != theirs.id


def test_the_same_key_sent_many_times_at_once_makes_one_task(store):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: store.tasks.create(new(key="k"), ROOM), range(24)))
    assert len({task.id for task, _ in made}) == 1
    assert sum(created for _, created in made) == 1


def test_the_queue_is_bounded_by_tasks_however_many_come_at_once(store):
    def attempt(_):
        try:
            return store.tasks.create(new(), Limits(tasks=5, tokens=10_000))
        except Busy as error:
            assert error.retry_after_s >= 1
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [task for task in pool.map(attempt, range(20)) if task]
    assert len(made) == 5


def test_the_queue_is_bounded_by_tokens(store):
    store.tasks.create(new(tokens=60), Limits(tasks=9, tokens=100))
    with pytest.raises(Busy, match="60 of 100 tokens"):
        store.tasks.create(new(tokens=60), Limits(tasks=9, tokens=100))


def test_claimed_tasks_make_room_in_the_queue(store):
    one = Limits(tasks=1, tokens=100)
    store.tasks.create(new(), one)
    assert store.claims.claim("w", "tiny")
    store.tasks.create(new(), one)


def test_tasks_are_listed_newest_first_and_in_pages(store):
    made = [store.tasks.create(new(), ROOM)[0] for _ in range(5)]
    first = store.tasks.list("ada", before=None, most=2)
    rest = store.tasks.list("ada", before=first[-1].number, most=9)
    assert [task.id for task in first + rest] == [task.id for task in reversed(made)]


def test_a_list_is_filtered_by_state_and_instance(store):
    store.tasks.create(new(instance="x-1"), ROOM)
    store.tasks.create(new(instance="x-2"), ROOM)
    claim = store.claims.claim("w", "tiny")
    running = store.tasks.list("ada", before=None, most=9, state="running")
    assert [task.id for task in running] == [claim.task.id]
    assert [t.instance_id for t in store.tasks.list("ada", before=None, most=9, instance_id="x-2")] == ["x-2"]


def test_the_oldest_task_of_the_model_is_claimed_first(store):
    store.tasks.create(new(model="other"), ROOM)
    first, _ = store.tasks.create(new(), ROOM)
    store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    assert claim.task.id == first.id
    assert (claim.task.state, claim.task.fence, claim.waited_s) == ("running", 1, 0.0)


def test_a_running_task_is_not_claimed_again_before_its_lease_ends(store, clock):
    store.tasks.create(new(), ROOM)
    store.claims.claim("w", "tiny")
    clock.now += 9.9
    assert store.claims.claim("v", "tiny") is None


def test_a_renewed_lease_holds_longer(store, clock):
    store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    clock.now += 9
    assert store.claims.renew([claim]) == {claim.key: False}
    clock.now += 9
    assert store.claims.claim("v", "tiny") is None


def test_who_takes_over_has_a_higher_number_and_who_lost_writes_nothing(store, clock):
    task, _ = store.tasks.create(new(), ROOM)
    old = store.claims.claim("w", "tiny")
    clock.now += 11
    taken = store.claims.claim("v", "tiny")
    assert taken.task.fence == old.task.fence + 1
    with pytest.raises(LostClaim):
        store.claims.record(old, [{"kind": "tokens"}])
    with pytest.raises(LostClaim):
        store.claims.finish(old, "completed", result={"patch": "stale"})
    with pytest.raises(LostClaim):
        store.claims.release(old, None)
    assert store.claims.renew([old, taken]) == {taken.key: False}
    store.claims.finish(taken, "completed", result={"patch": "fresh"})
    found = store.tasks.get("ada", task.id)
    assert (found.state, found.result) == ("completed", {"patch": "fresh"})
    assert kinds(store, task) == ["queued", "completed"]


def test_a_finished_task_takes_nothing_more_from_its_own_worker(store):
    store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    store.claims.finish(claim, "completed", result={})
    with pytest.raises(LostClaim):
        store.claims.finish(claim, "failed", error="again")


def test_a_task_that_kills_its_workers_is_given_up(store, clock):
    task, _ = store.tasks.create(new(), ROOM)
    for _ in range(MOST_LOSSES + 1):
        assert store.claims.claim("w", "tiny")
        clock.now += 11
    assert store.claims.claim("w", "tiny") is None
    found = store.tasks.get("ada", task.id)
    assert found.state == "failed"
    assert "died" in found.error


def test_a_task_that_gets_on_is_not_given_up(store, clock):
    store.tasks.create(new(), ROOM)
    for _ in range(2 * MOST_LOSSES):
        claim = store.claims.claim("w", "tiny")
        store.claims.record(claim, [{"kind": "node_finished", "node": "code_reading"}])
        clock.now += 11
    assert store.claims.claim("w", "tiny")


def test_a_released_task_waits_as_long_as_it_was_told_to(store, clock):
    store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    store.claims.release(claim, {"kind": "interrupted"}, delay_s=5)
    assert store.claims.claim("v", "tiny") is None
    clock.now += 5
    assert store.claims.claim("v", "tiny").task.fence == 2


def test_cancelling_a_queued_task_ends_it(store):
    task, _ = store.tasks.create(new(), ROOM)
    assert store.tasks.cancel("ada", task.id).state == "cancelled"
    assert store.claims.claim("w", "tiny") is None
    assert kinds(store, task) == ["queued", "cancelled"]


def test_cancelling_a_running_task_is_told_to_its_worker(store):
    task, _ = store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    assert store.tasks.cancel("ada", task.id).cancel_requested
    assert store.claims.renew([claim]) == {claim.key: True}


def test_cancelling_what_is_over_changes_nothing(store):
    task, _ = store.tasks.create(new(), ROOM)
    store.claims.finish(store.claims.claim("w", "tiny"), "completed", result={})
    before = store.tasks.get("ada", task.id)
    assert store.tasks.cancel("ada", task.id) == before


def test_a_cancelled_task_can_be_resumed_and_its_events_go_on(store):
    task, _ = store.tasks.create(new(), ROOM)
    store.tasks.cancel("ada", task.id)
    assert store.tasks.resume("ada", task.id, ROOM).state == "queued"
    assert store.claims.claim("w", "tiny")
    assert kinds(store, task) == ["queued", "cancelled", "queued"]


def test_what_is_not_over_cannot_be_resumed(store):
    task, _ = store.tasks.create(new(), ROOM)
    with pytest.raises(Conflict, match="queued"):
        store.tasks.resume("ada", task.id, ROOM)


@given(sizes=st.lists(st.integers(1, 7), max_size=12), since=st.integers(0, 60))
@hypothesis_settings(max_examples=25, deadline=None)
def test_events_are_numbered_without_gaps_and_replayed_exactly(sizes, since):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "s.sqlite"))
        task, _ = store.tasks.create(new(), ROOM)
        claim = store.claims.claim("w", "tiny")
        for size in sizes:
            store.claims.record(claim, [{"kind": "tokens", "text": "é\x00"} for _ in range(size)])
        total = 1 + sum(sizes)
        found, over = store.events.after(task.number, since)
        store.close()
    assert [event.seq for event in found] == list(range(since + 1, total + 1))
    assert not over


def test_events_written_at_once_by_many_threads_have_no_gaps(store):
    task, _ = store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.claims.record(claim, [{"kind": "a"}, {"kind": "b"}]), range(20)))
    found, _ = store.events.after(task.number, 0)
    assert [event.seq for event in found] == list(range(1, 42))


def test_a_reader_knows_when_a_task_is_over(store):
    task, _ = store.tasks.create(new(), ROOM)
    store.claims.finish(store.claims.claim("w", "tiny"), "failed", error="no")
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


def _drain(where, name, ready, out):
    store = Store(where, lease_s=60)
    ready.wait()
    while claim := store.claims.claim(name, "tiny"):
        store.claims.finish(claim, "completed", result={"by": name})
        out.put(claim.task.id)
    out.put(None)
    store.close()


def test_processes_on_one_store_never_run_a_task_twice(where):
    store = Store(where)
    made = {store.tasks.create(new(), ROOM)[0].id for _ in range(60)}
    context = multiprocessing.get_context("spawn")
    ready, out = context.Event(), context.Queue()
    workers = [context.Process(target=_drain, args=(where, f"w{i}", ready, out)) for i in range(3)]
    for worker in workers:
        worker.start()
    ready.set()
    done, ended = [], 0
    while ended < len(workers):
        got = out.get(timeout=120)
        ended += got is None
        done += [got] if got else []
    for worker in workers:
        worker.join()
    assert sorted(done) == sorted(made)
    assert store.tasks.counts() == {"completed": 60}
    store.close()


def test_threads_that_claim_at_once_get_different_tasks(store):
    for _ in range(12):
        store.tasks.create(new(), ROOM)
    barrier = threading.Barrier(4)

    def work(name):
        barrier.wait()
        return [claim.task.id for _ in range(3) if (claim := store.claims.claim(name, "tiny"))]

    with ThreadPoolExecutor(4) as pool:
        claimed = [task for got in pool.map(work, "wxyz") for task in got]
    assert len(claimed) == len(set(claimed)) == 12
