"""A full disk, a store that is away, an error of our own: what the client is told, and what the log."""

import json
import logging
import stat
import time
from contextlib import contextmanager

import sqlalchemy as sa

from services.observability.throttle import Throttle
from tests.services.conftest import INSTANCE, until


@contextmanager
def each_connection(live, *statements):
    """Has the store's connections do something first when they are used."""
    engine = live.runtime.store.database._engine

    def prepare(connection, *_):
        for statement in statements:
            connection.execute(statement)

    sa.event.listen(engine, "checkout", prepare)
    try:
        yield
    finally:
        sa.event.remove(engine, "checkout", prepare)
        engine.dispose()


def test_a_full_disk_is_507_and_what_was_taken_in_is_there_when_there_is_room_again(serving):
    live = serving(ready=False, queue_tasks=1000)
    with live.runtime.store.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    taken = [live.create()["id"]]
    with each_connection(live, f"PRAGMA max_page_count = {pages + 4}"):
        while (answer := live.http.post("/v1/tasks", json=INSTANCE)).status_code == 202:
            taken.append(answer.json()["id"])
        assert answer.status_code == 507
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "insufficient_storage"
        assert "retry-after" in answer.headers
        assert live.http.get(f"/v1/tasks/{taken[0]}").status_code == 200
    again = live.create()["id"]
    listed = live.http.get("/v1/tasks", params={"limit": 100}).json()["data"]
    assert [task["id"] for task in reversed(listed)] == [*taken, again][-100:]


def test_a_store_that_cannot_be_written_to_is_503_and_the_server_is_not_ready(live):
    with each_connection(live, "PRAGMA query_only = ON"):
        for answer in (live.http.post("/v1/tasks", json=INSTANCE), live.http.get("/ready")):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
            assert answer.headers["content-type"] == "application/problem+json"
        assert live.http.get("/live").status_code == 200
    until(lambda: live.http.get("/ready").status_code == 200)
    live.wait(live.create()["id"], "completed")


def test_a_folder_that_cannot_be_written_to_is_503_without_its_name(live, session, tmp_path):
    from vectors.domains import library

    (tmp_path / "service" / "vectors").write_text("in the way")
    library.save(session.vectors.get(session.model, "code_reading"), tmp_path / "own.safetensors")
    answer = live.http.put(
        "/v1/vectors/tiny-llama/mine",
        content=(tmp_path / "own.safetensors").read_bytes(),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


def test_what_the_server_keeps_is_its_users_alone(live, tmp_path):
    live.wait(live.create()["id"], "completed")
    data = tmp_path / "service"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.glob("store.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_error_of_our_own_is_logged_once_as_text_and_found_by_the_id_that_the_client_was_told(
    live, monkeypatch, log_lines
):
    def broken(*_, **__):
        raise KeyError("on purpose")

    monkeypatch.setattr(type(live.runtime.store.tasks), "list", broken)
    answer = live.http.get("/v1/tasks", headers={"X-Request-Id": "r-17"})
    assert answer.status_code == 500
    assert "r-17" in answer.json()["detail"]
    (line,) = log_lines("Traceback")
    assert line["request_id"] == "r-17"
    assert "on purpose" in line["exception"] and "in broken\\n" in json.dumps(line["exception"])


def test_an_answer_that_fails_in_the_middle_is_found_by_its_id_too(live, monkeypatch, log_lines):
    def broken(*_, **__):
        raise KeyError("on purpose")

    monkeypatch.setattr("services.chat.generate.Answer._token", broken)
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "x"}], "stream": True}
    answer = live.http.post("/v1/chat/completions", json=body, headers={"X-Request-Id": "r-18"})
    assert "r-18" in answer.text
    (line,) = log_lines("Traceback")
    assert line["request_id"] == "r-18"


def test_of_the_same_complaint_the_log_has_a_few_a_minute_and_then_how_many_were_left_out():
    now = [0.0]
    throttle = Throttle(now=lambda: now[0])

    def said(event, level=logging.WARNING):
        record = logging.LogRecord("http", level, "", 0, {"event": event, "at": time.time()}, None, None)
        return throttle.filter(record), record.msg.get("left_out")

    assert [said("a")[0] for _ in range(1000)].count(True) == 5
    assert said("b") == (True, None)
    assert all(said("request", logging.INFO)[0] for _ in range(100))
    now[0] = 61.0
    assert said("a") == (True, 995)
    assert said("a") == (True, None)
