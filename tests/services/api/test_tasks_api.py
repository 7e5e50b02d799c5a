"""Tasks over HTTP: created once, followed, read again, cancelled, resumed."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from orchestrator.errors import ConfigError
from tests.services.conftest import INSTANCE, RESULT, held, sse, until


def events(live, task, **kwargs):
    return sse(live.http.get(f"/v1/tasks/{task['id']}/events", **kwargs).text)


def test_a_task_goes_from_the_queue_to_its_patch(live):
    made = live.http.post("/v1/tasks", json=INSTANCE)
    assert made.status_code == 202
    assert made.headers["location"] == f"/v1/tasks/{made.json()['id']}"
    task = live.wait(made.json()["id"], "completed")
    assert task["instance_id"] == INSTANCE["instance_id"]
    assert task["result"]["files"] == ["é.py"]
    assert "patch" not in task["result"]
    patch = live.http.get(f"/v1/tasks/{task['id']}/patch")
    assert patch.headers["content-type"].startswith("text/x-diff")
    assert patch.text == RESULT.patch


def test_events_are_numbered_from_one_and_end_with_the_result(live):
    frames = events(live, live.create())
    assert [number for number, _, _ in frames] == list(range(1, len(frames) + 1))
    kinds = [kind for _, kind, _ in frames]
    assert (kinds[0], kinds[1], kinds[-1]) == ("queued", "node_started", "result")
    text = "".join(json.loads(data)["text"] for _, kind, data in frames if kind == "tokens")
    assert text == "Zürich\n\ndata: x"


def test_events_are_replayed_exactly_from_any_number_on(live):
    task = live.create()
    whole = events(live, task)
    for since in range(len(whole)):
        assert events(live, task, params={"since": since}) == whole[since:]
        assert events(live, task, headers={"Last-Event-ID": str(since)}) == whole[since:]


def test_a_task_that_is_over_is_deleted_with_all_that_is_known_of_it(live, script, tmp_path):
    key = {"Idempotency-Key": "monday-1"}
    with held(script):
        task = live.create(**key)
        path = f"/v1/tasks/{task['id']}"
        live.wait(task["id"], "running")
        refused = live.http.delete(path, params={"forget": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    live.wait(task["id"], "completed")
    artifacts = tmp_path / "service" / "tasks" / task["id"]
    (artifacts / "a").mkdir(parents=True)
    assert live.http.delete(path).json()["state"] == "completed"
    assert live.http.delete(path, params={"forget": True}).status_code == 204
    assert not artifacts.exists()
    for gone in (path, f"{path}/patch", f"{path}/events", f"{path}/trajectory"):
        assert live.http.get(gone).status_code == 404
    assert live.http.delete(path, params={"forget": True}).status_code == 404
    assert live.http.get("/v1/tasks").json()["data"] == []
    again = live.create(**key)
    assert again["id"] != task["id"]
    assert live.wait(again["id"], "completed")


def test_a_reader_that_has_everything_is_told_not_to_come_back(live):
    task = live.create()
    last = events(live, task)[-1][0]
    answer = live.http.get(f"/v1/tasks/{task['id']}/events", headers={"Last-Event-ID": str(last)})
    assert answer.status_code == 204


def test_a_live_stream_and_a_replay_tell_the_same(live, script):
    with held(script):
        task = live.create()
        with ThreadPoolExecutor(3) as pool:
            streams = [pool.submit(events, live, task) for _ in range(3)]
            live.wait(task["id"], "running")
            script.gate.set()
            followed = [stream.result() for stream in streams]
    assert followed == [events(live, task)] * 3


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 30])
def test_a_last_event_id_that_is_no_number_is_refused(live, number):
    task = live.create()
    answer = live.http.get(f"/v1/tasks/{task['id']}/events", headers={"Last-Event-ID": number})
    assert answer.status_code == 422


def test_the_same_key_and_body_give_the_same_task_however_the_body_is_spelt(live):
    first = live.create(INSTANCE, **{"Idempotency-Key": "k"})
    again = live.create({"seed": 0, **INSTANCE}, **{"Idempotency-Key": "k"})
    assert first["id"] == again["id"]


def test_the_same_key_with_another_body_is_refused(live):
    live.create(INSTANCE, **{"Idempotency-Key": "k"})
    answer = live.http.post("/v1/tasks", json={**INSTANCE, "seed": 1}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "another body" in answer.json()["detail"]


def test_a_full_queue_says_when_to_come_back(serving, script):
    live = serving(queue_tasks=2, concurrency=1)
    with held(script):
        running = live.create()
        live.wait(running["id"], "running")
        live.create(), live.create()
        answer = live.http.post("/v1/tasks", json=INSTANCE)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert live.http.get("/ready").status_code == 503


def test_tasks_are_listed_in_pages_newest_first(live):
    made = [live.create({**INSTANCE, "seed": seed})["id"] for seed in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = live.http.get("/v1/tasks", params=params).json()
        seen += [task["id"] for task in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made[::-1]


def test_a_list_is_filtered_by_state_and_instance(live):
    task = live.create()
    live.wait(task["id"], "completed")
    assert len(live.http.get("/v1/tasks", params={"state": "completed"}).json()["data"]) == 1
    assert live.http.get("/v1/tasks", params={"state": "failed"}).json()["data"] == []
    assert live.http.get("/v1/tasks", params={"instance_id": "a__b-1"}).json()["data"] == []


@pytest.mark.parametrize("cursor", ["x", "YmVmb3JlOg", "é", "YmVmb3JlOi0x"])
def test_a_cursor_of_somebody_elses_is_refused(live, cursor):
    assert live.http.get("/v1/tasks", params={"cursor": cursor}).status_code == 400


def test_a_running_task_is_cancelled_and_can_be_resumed(live, script):
    with held(script):
        task = live.create()
        until(lambda: script.begun)
        live.http.delete(f"/v1/tasks/{task['id']}")
        live.wait(task["id"], "cancelled")
        assert events(live, task)[-1][1] == "cancelled"
    assert live.http.post(f"/v1/tasks/{task['id']}/resume").status_code == 202
    live.wait(task["id"], "completed")
    assert script.begun == [task["id"]] * 2
    kinds = [kind for _, kind, _ in events(live, task)]
    assert kinds.count("queued") == 2
    assert kinds[-1] == "result"


def test_a_completed_task_cannot_be_resumed_and_cancelling_it_changes_nothing(live):
    task = live.wait(live.create()["id"], "completed")
    assert live.http.post(f"/v1/tasks/{task['id']}/resume").status_code == 409
    assert live.http.delete(f"/v1/tasks/{task['id']}").json() == task


def test_a_task_that_fails_says_why_in_one_line(live, script):
    script.error = ConfigError("the repository\nhas no Python files")
    task = live.wait(live.create()["id"], "failed")
    assert task["error"] == "the repository has no Python files"
    assert live.http.get(f"/v1/tasks/{task['id']}/patch").status_code == 409


def test_what_a_bug_says_stays_in_the_log(live, script):
    script.error = RuntimeError("/secret/path")
    task = live.wait(live.create()["id"], "failed")
    assert "secret" not in task["error"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "instance_id"),
        ({"instance_id": "a__b-1"}, "nearest"),
        ({**INSTANCE, "url": "https://example.org/x.git"}, "url"),
        ({**INSTANCE, "dataset": "verified"}, "not served"),
        ({**INSTANCE, "dataset": "/etc/passwd"}, "dataset"),
        ({**INSTANCE, "run_tests": True}, "run_tests"),
        ({**INSTANCE, "model": "gpt-2"}, "not served"),
        ({**INSTANCE, "few_shot": 8}, "worked examples"),
        ({**INSTANCE, "policy": "evidence"}, "--variant certified"),
        ({**INSTANCE, "variant": "sometimes"}, "no variant"),
        ({**INSTANCE, "vectors": "/etc"}, "vectors"),
        ({**INSTANCE, "seed": -1}, "seed"),
        ({**INSTANCE, "repository": "abacus"}, "not both"),
        ({"repository": "abacus", "commit": "HEAD", "problem_statement": "x"}, "commit"),
        ({"repository": "abacus", "commit": "a" * 40, "problem_statement": "x"}, "no commit"),
        ({"repository": "../abacus", "commit": "a" * 40, "problem_statement": "x"}, "repository"),
        ({"repository": "other", "commit": "a" * 40, "problem_statement": "x"}, "list"),
        ({"repository": "--upload-pack=x", "commit": "a" * 40, "problem_statement": "x"}, "repository"),
        ({"repository": "abacus", "commit": "a" * 40, "problem_statement": "x\x00"}, "NUL"),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_is_queued(serving, project, script, body, why):
    live = serving(repositories={"abacus": project})
    answer = live.http.post("/v1/tasks", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert why in problem["detail"]
    assert str(project) not in answer.text
    assert script.begun == []
    assert live.http.get("/v1/tasks").json()["data"] == []


def test_a_stopping_server_ends_its_streams_and_gives_tasks_back(serving, script):
    live = serving()
    with held(script):
        task = live.create()
        live.wait(task["id"], "running")
        with ThreadPoolExecutor(1) as pool:
            stream = pool.submit(events, live, task)
            until(lambda: live.runtime.feed.waiting)
            live.stop()
            frames = stream.result()
    assert frames[-1][:2] == (None, "closing")
    again = serving()
    live.http.base_url = httpx.URL(again.url)
    assert live.wait(task["id"], "completed")
    followed = frames[:-1] + events(again, task, headers={"Last-Event-ID": str(frames[-2][0])})
    assert followed == events(again, task)
    assert "interrupted" in [kind for _, kind, _ in followed]
