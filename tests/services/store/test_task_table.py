"""Tasks as their owners see them: they outlive processes, and nobody gets what is not theirs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.errors import Busy, Conflict, Invalid
from services.store import Store
from services.store.records import Limits
from tests.services.store.conftest import ROOM, kinds, new, result


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


def test_cancelling_a_queued_task_ends_it(store):
    task, _ = store.tasks.create(new(), ROOM)
    assert store.tasks.cancel("ada", task.id).state == "cancelled"
    assert store.claims.claim("w", "tiny") is None
    assert kinds(store, task) == ["queued", "cancelled"]


def test_cancelling_what_is_over_changes_nothing(store):
    task, _ = store.tasks.create(new(), ROOM)
    store.claims.complete(store.claims.claim("w", "tiny"), result())
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


def test_a_task_that_is_forgotten_keeps_its_number_and_nothing_else(store):
    task, _ = store.tasks.create(new(), ROOM)
    store.tasks.cancel(task.owner, task.id)
    store.tasks.forget(task.owner, task.id, lambda: None)
    assert store.tasks.get(task.owner, task.id) is None
    assert store.events.after(task.number, 0) == ([], True)
    assert store.tasks.create(new(), ROOM)[0].number > task.number
    with store.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM tasks WHERE owner = ''").mappings().all()
    assert task.instance_id not in str(rows)


def test_a_task_whose_files_cannot_be_deleted_is_still_there(store):
    def full():
        raise OSError("no")

    task, _ = store.tasks.create(new(), ROOM)
    store.tasks.cancel(task.owner, task.id)
    with pytest.raises(OSError):
        store.tasks.forget(task.owner, task.id, full)
    assert store.tasks.get(task.owner, task.id)
    assert store.events.after(task.number, 0).events
