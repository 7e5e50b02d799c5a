"""How a run ends before its time: stopped, left by its followers, cut off, or by a server that is gone."""

import json
import threading

import sqlalchemy as sa

from services.arena import live as following
from services.store.schema import ARENA
from tests.services.arena.conftest import Runs
from tests.services.conftest import sse, until

LONG = {"max_tokens": 1500, "chat": False}


def first_events(runs, run, count):
    """The first few events of a run that goes on; then its follower leaves."""
    with runs.http.stream("GET", f"/v1/arena/runs/{run['id']}/events") as answer:
        text = ""
        for piece in answer.iter_text():
            text += piece
            if text.count("\n\n") > count:
                break
    return [json.loads(data) for _, _, data in sse(text.rpartition("\n\n")[0])]


def over(runs, run):
    return until(lambda: found if (found := runs.get(run))["state"] != "running" else None)


def test_a_run_that_is_stopped_keeps_what_there_is_and_is_deleted_by_the_next_word(live, runs):
    run = runs.begin(**LONG)
    first_events(runs, run, 12)
    assert live.http.delete(f"/v1/arena/runs/{run['id']}").json()["state"] == "running"
    found = over(runs, run)
    assert found["state"] == "cancelled"
    assert {column["ended"]["finish_reason"] for column in found["columns"]} == {"cancelled"}
    assert 0 < len(found["columns"][0]["tokens"]) < 1500
    assert found["columns"][1]["difference"] is not None
    assert runs.events(run)[-1]["kind"] == "run_ended"
    assert live.http.delete(f"/v1/arena/runs/{run['id']}").status_code == 204
    assert live.http.get(f"/v1/arena/runs/{run['id']}").status_code == 404
    assert not live.runtime.gate.requests


def test_a_run_is_stopped_when_its_last_follower_has_gone_for_good(runs, monkeypatch):
    monkeypatch.setattr(following, "GRACE_S", 60)
    run = runs.begin(**LONG)
    seen = first_events(runs, run, 3)
    again = first_events(runs, run, 3)  # in time
    assert again[: len(seen)] == seen[: len(again)]
    assert runs.get(run)["state"] == "running"
    monkeypatch.setattr(following, "GRACE_S", 0.01)
    first_events(runs, run, 3)
    assert over(runs, run)["state"] == "cancelled"


def test_a_run_that_nobody_follows_goes_on_to_its_end(runs, monkeypatch):
    monkeypatch.setattr(following, "GRACE_S", 0.01)
    assert over(runs, runs.begin(max_tokens=30))["state"] == "done"


def test_a_server_that_stops_tells_its_followers_and_keeps_what_there_was(serving):
    live = serving(drain_s=0.1)
    runs = Runs(live.http)
    run = runs.begin(**LONG)
    with live.http.stream("GET", f"/v1/arena/runs/{run['id']}/events") as answer:
        pieces = answer.iter_text()
        text = next(pieces)
        threading.Thread(target=live.stop).start()
        text += "".join(pieces)
    told = [json.loads(data) for _, _, data in sse(text)]
    assert told[-1]["kind"] == "run_failed"
    assert "the server is stopping" in told[-1]["reason"]
    runs = Runs(serving().http)
    found = runs.get(run)
    assert (found["state"], found["error"]) == ("failed", told[-1]["reason"])
    assert runs.events(run) == told


def test_what_a_server_had_told_that_was_killed_is_there_with_a_word_that_it_is_interrupted(live, runs):
    run = runs.begin(**LONG)
    until(lambda: runs.http.get("/v1/arena/runs").json()["data"])
    store = live.runtime.store
    stored = store.arena.get("local", "run", run["id"])
    told = until(lambda: store.arena.events(stored.number))
    assert told == store.arena.events(stored.number, 0)[: len(told)]
    left = store.arena.create("local", "run", stored.model, stored.request, 9)
    store.arena.record(left.number, 1, told)
    with store.database.write() as connection:
        connection.execute(sa.update(ARENA).where(ARENA.c.id == left.id).values(alive_at=0.0))
    gone = {"id": left.id}
    assert runs.get(gone)["state"] == "interrupted"
    assert len(runs.get(gone)["columns"][0]["tokens"]) > 0
    *events, last = runs.events(gone, 2)
    assert events == [*told[2:]]
    assert (last["kind"], "seq" in last) == ("run_failed", False)
    assert "run it again" in last["reason"]
    assert runs.http.post(f"/v1/arena/runs/{left.id}/again").status_code == 202
    assert runs.http.delete(f"/v1/arena/runs/{left.id}").status_code == 204


def test_nobody_is_told_the_last_event_of_a_run_that_the_store_does_not_know_to_be_over(
    live, runs, monkeypatch
):
    table, keep, asked = live.runtime.store.arena, threading.Event(), threading.Event()
    end = table.end

    def slow(*arguments):
        asked.set()
        assert keep.wait(60)
        return end(*arguments)

    monkeypatch.setattr(table, "end", slow)
    run = runs.begin()
    assert asked.wait(60)
    seen = runs.get(run)
    assert (seen["state"], seen["ended"]) == ("running", None)
    keep.set()
    rest = runs.events(run, seen["last_event"])
    assert rest[-1]["kind"] == "run_ended" and rest[-1]["seq"] == seen["last_event"] + 1
    found = over(runs, run)
    assert found["state"] == "done" and found["ended"] is not None
