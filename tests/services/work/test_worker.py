"""Tasks at work: how they end, are given back and taken over. The store is real, the work is scripted."""

import errno
import os
import threading

import pytest

from orchestrator.events import NodeFinished, Tokens
from orchestrator.task.solve import AlreadyRunning
from services.observability.metrics import Metrics
from services.store import Store
from services.store.records import Limits, NewTask
from services.work.journal import merged
from services.work.worker import Worker
from tests.services.conftest import RESULT, Script, until
from tests.services.store.conftest import Clock, result

ROOM = Limits(100, 10_000)


LEASE_S = 1.0
"""Leases are renewed ten times as often, and end only when a test moves the store's clock."""


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    store = Store(tmp_path / "s.sqlite", lease_s=LEASE_S, now=clock)
    yield store
    store.close()


@pytest.fixture
def working(store):
    """Starts workers; those that a test did not stop are stopped in the end."""
    started = []

    def start(solve, concurrency=2) -> Worker:
        worker = Worker(store, solve, "tiny", Metrics(), concurrency)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop(0)


def create(store):
    return store.tasks.create(NewTask("ada", "tiny", "a__b-1", {}, 1, "b"), ROOM)[0]


def state(store, task):
    return store.tasks.get("ada", task.id).state


def kinds(store, task):
    return [stored.event.kind for stored in store.events.after(task.number, 0)[0]]


def test_a_worker_runs_what_waits_and_what_comes(store, working):
    first = create(store)
    worker = working(Script())
    second = create(store)
    worker.wake()
    until(lambda: state(store, first) == state(store, second) == "completed")
    assert store.tasks.get("ada", first.id).result == RESULT


def test_a_worker_may_be_spoken_to_before_it_has_begun(store):
    worker = Worker(store, Script(), "tiny", Metrics(), 2)
    task = create(store)
    worker.wake()
    worker.cancel(task.number)
    assert worker.stop(0)
    assert state(store, task) == "queued"


def test_no_more_tasks_run_at_once_than_may(store, working):
    script = Script()
    script.gate.clear()
    made = [create(store) for _ in range(4)]
    working(script, concurrency=2)
    until(lambda: len(script.begun) == 2)
    assert store.tasks.counts() == {"running": 2, "queued": 2}
    script.gate.set()
    until(lambda: store.tasks.counts() == {"completed": 4})
    assert sorted(script.begun) == sorted(task.id for task in made)


def test_a_stopping_worker_lets_the_running_node_end_and_gives_the_task_back(store, working):
    script = Script()
    script.gate.clear()
    task = create(store)
    worker = working(script)
    until(lambda: "tokens" in kinds(store, task))
    stopping = threading.Thread(target=worker.stop, args=(20,))
    stopping.start()
    until(lambda: worker._stopping)
    script.gate.set()
    stopping.join()
    assert state(store, task) == "queued"
    # Its node ended, and the next one did not begin.
    assert kinds(store, task)[-2:] == ["node_finished", "interrupted"]
    assert kinds(store, task).count("node_started") == 1


def test_a_worker_that_may_not_wait_gives_the_task_back_in_the_middle_of_a_node(store, working):
    script = Script()
    script.gate.clear()
    task = create(store)
    worker = working(script)
    until(lambda: "tokens" in kinds(store, task))
    worker.stop(0)
    until(lambda: state(store, task) == "queued")
    assert kinds(store, task)[-1] == "interrupted"
    script.gate.set()
    working(script)
    until(lambda: state(store, task) == "completed")


def outlast_leases(store, clock):
    """Let the time of nearly three leases pass, in steps that a worker which renews its lease survives."""
    for _ in range(3):
        clock.now += 0.9 * LEASE_S
        until(lambda: lease_ends(store) == clock.now + LEASE_S)


def lease_ends(store):
    with store.database.read() as connection:
        return connection.exec_driver_sql("SELECT available_at FROM tasks").scalar_one()


def test_a_lease_is_renewed_for_as_long_as_the_task_runs(store, working, clock):
    script = Script()
    script.gate.clear()
    task = create(store)
    working(script)
    until(lambda: script.begun)
    outlast_leases(store, clock)
    assert store.claims.claim("other", "tiny") is None
    script.gate.set()
    until(lambda: state(store, task) == "completed")
    assert script.begun == [task.id]


def test_a_worker_whose_task_was_taken_over_stops_and_writes_nothing(store, working):
    script = Script()
    script.gate.clear()
    task = create(store)
    worker = working(script)
    until(lambda: "tokens" in kinds(store, task))
    with store.database.write() as connection:  # as if it had been silent for a lease
        connection.exec_driver_sql("UPDATE tasks SET available_at = 0")
    taken = store.claims.claim("other", "tiny")
    assert taken.task.fence == 2
    until(lambda: not worker._running)
    store.claims.complete(taken, result("theirs"))
    assert store.tasks.get("ada", task.id).result.patch == "theirs"
    assert kinds(store, task).count("result") == 1


def test_a_task_cancelled_through_another_server_stops(store, working):
    script = Script()
    script.gate.clear()
    task = create(store)
    working(script)
    until(lambda: script.begun)
    store.tasks.cancel("ada", task.id)
    until(lambda: state(store, task) == "cancelled")


def test_a_folder_that_another_process_still_holds_is_waited_for(store, working, clock):
    tried = []

    async def solve(task, emit):
        tried.append(task.fence)
        if len(tried) == 1:
            raise AlreadyRunning("held")
        return RESULT

    task = create(store)
    working(solve)
    until(lambda: tried and state(store, task) == "queued")
    clock.now += LEASE_S
    until(lambda: state(store, task) == "completed")
    assert tried == [1, 2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_task_that_meets_a_full_or_read_only_disk_goes_on_when_there_is_room(store, working, clock, number):
    script = Script()
    script.error = OSError(number, os.strerror(number))
    task = create(store)
    working(script)
    until(lambda: script.begun and state(store, task) == "queued")
    assert kinds(store, task)[-1] == "interrupted"
    script.error = None
    clock.now += LEASE_S
    until(lambda: state(store, task) == "completed")


def test_a_worker_survives_what_a_task_raises(store, working):
    script = Script()
    script.error = RuntimeError("bug")
    first = create(store)
    working(script)
    until(lambda: state(store, first) == "failed")
    script.error = None
    second = create(store)
    until(lambda: state(store, second) == "completed")


def test_work_that_blocks_its_thread_does_not_lose_its_lease(store, working, clock):
    blocked, go_on = threading.Event(), threading.Event()

    async def solve(task, emit):
        blocked.set()
        go_on.wait()  # in the worker's own loop
        return RESULT

    task = create(store)
    working(solve)
    blocked.wait()
    outlast_leases(store, clock)
    go_on.set()
    until(lambda: state(store, task) == "completed")
    assert store.tasks.get("ada", task.id).fence == 1


def test_neighbouring_texts_of_a_node_become_one_event_and_lose_nothing():
    told = [
        Tokens(node="a", count=1, text="x"),
        Tokens(node="a", count=2, text="y"),
        NodeFinished(node="a", seconds=1.0),
        Tokens(node="a", count=1, text="z"),
        Tokens(node="b", count=1, text="w"),
    ]
    found = merged(told)
    assert [getattr(event, "text", None) for event in found] == ["xy", None, "z", "w"]
    assert found[0].count == 2
