"""Who works on what: leases, fencing numbers, and no task that is run twice at once."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.events import NodeFinished, NodeStarted
from services.errors import LostClaim
from services.store import Store
from services.store.claims import MOST_LOSSES
from tests.services.store.conftest import ROOM, kinds, new, result


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
        store.claims.record(old, [NodeStarted(node="retrieve")])
    with pytest.raises(LostClaim):
        store.claims.complete(old, result("stale"))
    with pytest.raises(LostClaim):
        store.claims.release(old, None)
    assert store.claims.renew([old, taken]) == {taken.key: False}
    store.claims.complete(taken, result("fresh"))
    found = store.tasks.get("ada", task.id)
    assert (found.state, found.result) == ("completed", result("fresh"))
    assert kinds(store, task) == ["queued", "result"]


def test_a_finished_task_takes_nothing_more_from_its_own_worker(store):
    store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    store.claims.complete(claim, result())
    with pytest.raises(LostClaim):
        store.claims.fail(claim, "again")


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
        store.claims.record(claim, [NodeFinished(node="code_reading", seconds=0.1)])
        clock.now += 11
    assert store.claims.claim("w", "tiny")


def test_a_released_task_waits_as_long_as_it_was_told_to(store, clock):
    store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    store.claims.release(claim, "the server stops", delay_s=5)
    assert store.claims.claim("v", "tiny") is None
    clock.now += 5
    assert store.claims.claim("v", "tiny").task.fence == 2


def test_cancelling_a_running_task_is_told_to_its_worker(store):
    task, _ = store.tasks.create(new(), ROOM)
    claim = store.claims.claim("w", "tiny")
    assert store.tasks.cancel("ada", task.id).cancel_requested
    assert store.claims.renew([claim]) == {claim.key: True}


def _drain(where, name, ready, out):
    store = Store(where, lease_s=60)
    ready.wait()
    while claim := store.claims.claim(name, "tiny"):
        store.claims.complete(claim, result())
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
        got = out.get()
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
