"""What the arena showed is kept for its owner, while there is room; a silent run is interrupted."""

import pytest

REQUEST = {"asked": {"prompt": "é"}}


@pytest.fixture
def arena(store):
    return store.arena


def events(first, last):
    return [{"seq": number, "text": f"é{number}"} for number in range(first, last + 1)]


def made(arena, owner="ada", kind="run", most=9):
    return arena.create(owner, kind, "tiny", REQUEST, most)


def test_events_are_read_back_from_any_on_whatever_pieces_they_came_in(arena):
    run = made(arena)
    arena.record(run.number, 1, events(1, 3))
    arena.record(run.number, 4, [])
    arena.record(run.number, 4, events(4, 4))
    arena.end(run.number, "done", 5, events(5, 9), {"same": True})
    for since in range(11):
        assert arena.events(run.number, since) == events(since + 1, 9)
    kept = arena.get("ada", "run", run.id)
    assert (kept.state, kept.last_event, kept.result, kept.over) == ("done", 9, {"same": True}, True)
    assert kept.request == REQUEST


def test_one_that_nobody_says_to_be_alive_is_interrupted_and_can_be_opened_again(arena, clock):
    run = made(arena, kind="batch")
    clock.now += 9
    assert arena.reopen(run.number) is None
    arena.record(run.number, 1, events(1, 2))
    clock.now += 9
    assert arena.get("ada", "batch", run.id).state == "running"
    clock.now += 2
    assert arena.get("ada", "batch", run.id).state == "interrupted"
    assert arena.list("ada", "batch", None, 5)[0].state == "interrupted"
    again = arena.reopen(run.number)
    assert (again.state, again.last_event) == ("running", 2)
    assert arena.reopen(run.number) is None


def test_nobody_sees_anothers_and_a_run_is_no_batch(arena):
    run = made(arena)
    assert arena.get("bob", "run", run.id) is arena.get("ada", "batch", run.id) is None
    assert arena.list("bob", "run", None, 5) == []
    assert arena.get("ada", "run", "run-' OR 1=1 --") is None


def test_the_oldest_that_are_over_make_room_and_one_that_goes_on_stays(arena):
    first, going = made(arena), made(arena)
    arena.end(first.number, "done", 1, events(1, 1), None)
    others = made(arena, owner="bob"), made(arena, kind="batch")
    for _ in range(3):
        last = made(arena, most=2)
        arena.end(last.number, "done", 1, events(1, 1), None)
    left = [each.id for each in arena.list("ada", "run", None, 9)]
    assert left[0] == last.id and left[-1] == going.id and first.id not in left
    assert len(left) == 3
    assert arena.events(first.number) == []
    assert arena.get("bob", "run", others[0].id) and arena.get("ada", "batch", others[1].id)


def test_what_is_told_of_one_that_was_deleted_is_kept_nowhere(arena):
    run = made(arena)
    arena.record(run.number, 1, events(1, 2))
    arena.forget(run.number)
    arena.record(run.number, 3, events(3, 4))
    arena.end(run.number, "done", 5, events(5, 5), None)
    assert arena.get("ada", "run", run.id) is None
    assert arena.events(run.number) == []
