"""A key that is revoked, by whichever process: what it still has running ends, and others go on."""

import json
import threading

import pytest

from services.store import Store
from tests.services.conftest import INSTANCE, held, until
from tests.vectors.engine.batches import stopped_after

ENDLESS = {"model": "tiny-llama", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 12_000}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def keyed(live, tmp_path):
    """A server, a key, and what revokes it through another connection to the store, as `keys revoke` does."""
    key, presented = live.runtime.store.keys.create("ada")

    def revoke():
        store = Store(tmp_path / "service" / "store.sqlite")
        store.keys.revoke(key.id)
        store.close()

    return live, bearer(presented), revoke


def test_the_stream_of_a_chat_ends_and_says_why(keyed):
    live, headers, revoke = keyed
    body = {**ENDLESS, "stream": True}
    with live.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        lines = answer.iter_lines()
        with stopped_after(live.session.engine, passes=0):
            next(lines)
            revoke()
            until(lambda: all(ticket.row.cancelled for ticket in live.runtime.tickets))
        last = [line for line in lines if line][-1]
    assert "revoked" in json.loads(last.removeprefix("data: "))["error"]["message"]
    until(lambda: live.runtime.gate.requests == 0)


def test_an_answer_as_a_whole_is_not_given(keyed):
    live, headers, revoke = keyed
    answers = []

    def ask():
        answers.append(live.http.post("/v1/chat/completions", json=ENDLESS, headers=headers))

    asking = threading.Thread(target=ask)
    with stopped_after(live.session.engine, passes=0):
        asking.start()
        until(lambda: live.runtime.tickets)
        revoke()
        until(lambda: all(ticket.row.cancelled for ticket in live.runtime.tickets))
    asking.join()
    assert answers[0].status_code == 401


def test_a_stream_of_events_ends_and_says_why_while_anothers_goes_on(keyed, script):
    live, headers, revoke = keyed
    _, bob = live.runtime.store.keys.create("bob")
    with held(script):
        mine, theirs = (
            live.http.post("/v1/tasks", json=INSTANCE, headers=each).json()["id"]
            for each in (headers, bearer(bob))
        )
        with live.http.stream("GET", f"/v1/tasks/{theirs}/events", headers=bearer(bob)) as other:
            with live.http.stream("GET", f"/v1/tasks/{mine}/events", headers=headers) as answer:
                until(lambda: live.runtime.feed.waiting == 2)
                revoke()
                assert "revoked" in [line for line in answer.iter_lines() if line][-1]
            script.gate.set()
            assert "event: result" in list(other.iter_lines())
    with live.runtime.store.database.read() as connection:  # the task itself goes on
        states = connection.exec_driver_sql("SELECT DISTINCT state FROM tasks").scalars().all()
    assert set(states) <= {"running", "completed"}
