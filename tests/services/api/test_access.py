"""Who gets in, to what, how often, and with how much."""

import asyncio
import json
import socket
import time

import httpx
import pytest

from services.app import ROUTERS
from services.errors import Busy
from services.observability.lag import watch
from services.observability.metrics import Metrics
from services.serving.limits import Rates
from services.settings import BODY_BYTES, HEADER_BYTES, ServeSettings
from tests.services.conftest import INSTANCE, held, until

PUBLIC = {"/live", "/ready"}
WHOLE, OWN = {"part": "whole"}, {"part": "own"}
FILLED = {"model": "tiny-llama", "domain": "mine", "run": "0" * 16, "figure": "figure.svg"}
SHOWN = {"prompt": "x", "columns": [{"name": "baseline"}], "max_tokens": 2}
BATCH = {"prompts": ["x"], "columns": [{"name": "baseline"}], "max_tokens": 2}
NAMED = {"task_id": "task-" + "0" * 24, "run_id": "run-" + "0" * 24, "batch_id": "batch-" + "0" * 24}
"""Of nothing that there is."""


def bearer(key):
    return {"headers": {"Authorization": f"Bearer {key}"}}


@pytest.fixture
def keyed(live):
    """A server with two keys; the first has a task and a vector."""
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    return live, ada, bob


def described(live):
    document = live.http.get("/openapi.json").json()
    return [
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    ], document


def test_every_route_but_the_public_ones_needs_a_key(keyed):
    live, _, _ = keyed
    paths, _ = described(live)
    assert len(paths) >= 14
    for method, path in paths:
        filled = path.format(**NAMED, **FILLED)
        answer = live.http.request(method, filled)
        if path in PUBLIC:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"


def test_on_every_route_that_names_something_another_owner_gets_what_nobody_gets(keyed, script):
    live, ada, bob = keyed
    with held(script):
        task = live.http.post("/v1/tasks", json=INSTANCE, **bearer(ada)).json()["id"]
    live.wait(task, "completed", **bearer(ada))
    shown = live.http.post("/v1/arena/runs", json=SHOWN, **bearer(ada)).json()["id"]
    live.http.get(f"/v1/arena/runs/{shown}/events", **bearer(ada))
    batch = live.http.post("/v1/arena/batches", json=BATCH, **bearer(ada)).json()["id"]
    live.http.get(f"/v1/arena/batches/{batch}/events", **bearer(ada))
    own = {"task_id": task, "run_id": shown, "batch_id": batch}
    paths, _ = described(live)
    walked = sorted((pair for pair in paths if "_id}" in pair[1]), key=lambda pair: pair[0] == "DELETE")
    assert len(walked) == 17
    for method, path in walked:
        theirs = live.http.request(method, path.format(**own), **bearer(bob))
        none = live.http.request(method, path.format(**NAMED), **bearer(bob))
        assert theirs.status_code == none.status_code == 404, path
        assert theirs.json()["detail"] == none.json()["detail"]
        mine = live.http.request(method, path.format(**own), **bearer(ada))
        assert mine.status_code != 404, path
    for listed in ("/v1/tasks", "/v1/arena/runs", "/v1/arena/batches"):
        assert live.http.get(listed, **bearer(bob)).json()["data"] == []
    assert live.http.get(f"/v1/tasks/{task}", **bearer(ada)).json()["state"] == "completed"


def test_no_route_is_missing_from_the_description(keyed):
    live, _, _ = keyed
    paths, document = described(live)
    known = {
        (method, route.path) for router in ROUTERS for route in router.routes for method in route.methods
    }
    assert len(known) >= 14
    assert known == set(paths)
    assert document["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in json.dumps(document)


def test_a_revoked_key_is_refused_at_once_and_the_server_stays_closed(keyed):
    live, ada, _ = keyed
    assert live.http.get("/v1/tasks", **bearer(ada)).status_code == 200
    for key in live.runtime.store.keys.list():
        live.runtime.store.keys.revoke(key.id)
    assert live.http.get("/v1/tasks", **bearer(ada)).status_code == 401
    assert live.http.get("/v1/tasks").status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x", "Basic YTpi", "Bearer orch_" + "0" * 12 + "_" + "A" * 43]
)
def test_what_is_no_key_is_refused(keyed, header):
    live, _, _ = keyed
    assert live.http.get("/v1/tasks", headers={"Authorization": header}).status_code == 401


def test_an_open_server_answers_to_its_own_names_only(live):
    assert live.http.get("/v1/tasks").status_code == 200
    assert live.http.get("/v1/tasks", headers={"Host": "localhost:1"}).status_code == 200
    assert live.http.get("/v1/tasks", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_only_this_machines_own_addresses_are_loopback(host, loopback):
    assert ServeSettings(host=host).loopback is loopback


def test_a_key_may_make_so_many_requests_and_another_is_not_touched(serving):
    live = serving()
    live.runtime.rates = Rates(3, now=lambda: 0.0)
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    answers = [live.http.get("/v1/tasks", **bearer(ada)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert live.http.get("/v1/tasks", **bearer(bob)).status_code == 200
    assert live.http.get("/live").status_code == 200


def test_a_minutes_share_fills_up_steadily_and_holds_no_more():
    now = [0.0]
    rates = Rates(3, now=lambda: now[0])
    for _ in range(3):
        rates.take("ada")
    now[0] = 15.0
    with pytest.raises(Busy, match="wait 5 s"):
        rates.take("ada")
    now[0] = 20.0
    rates.take("ada")
    now[0] = 3600.0
    for _ in range(3):
        rates.take("ada")
    with pytest.raises(Busy, match="wait 20 s"):
        rates.take("ada")


def test_a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(live):
    data = b"x" * (BODY_BYTES + 1)
    assert live.http.post("/v1/tasks", content=data).status_code == 413
    assert live.http.post("/v1/tasks", content=iter([data[: 1 << 19], data[1 << 19 :]])).status_code == 413


def test_a_compressed_body_is_not_unpacked(live):
    answer = live.http.post("/v1/tasks", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_headers_have_a_limit(live):
    address = httpx.URL(live.url)
    with socket.create_connection((address.host, address.port)) as raw:
        raw.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * HEADER_BYTES + b"\r\n\r\n")
        # Which of the two depends on whether they come in one piece: the parser waits for no more of them.
        assert raw.recv(100).split()[1] in (b"431", b"400")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PATCH", "/v1/tasks", 405), ("GET", "/v1/tasks/..%2f..%2fetc", 404)],
)
def test_errors_are_problems(live, method, path, status):
    answer = live.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"instance_id": NaN}', b'{"instance_id": "\\ud800"}', b""]
)
def test_a_body_that_is_no_json_of_the_form_is_refused_and_not_repeated(live, body):
    answer = live.http.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_request_id_comes_back_if_it_is_a_plain_one(live):
    assert live.http.get("/live", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert live.http.get("/live", headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"


def test_the_server_is_ready_when_the_model_is_loaded_and_lives_before(serving):
    live = serving(ready=False)
    assert live.http.get("/live").status_code == 200
    answer = live.http.get("/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    live.runtime.start()
    live.wait(live.create()["id"], "completed")
    until(lambda: live.http.get("/ready").status_code == 200)  # a busy machine's store may be busy as well


def test_metrics_count_tasks_and_requests_by_route(live):
    live.wait(live.create()["id"], "completed")
    text = live.http.get("/metrics").text
    assert 'orchestrate_tasks{state="completed"} 1.0' in text
    assert 'orchestrate_http_requests_total{method="POST",route="/v1/tasks",status="202"} 1.0' in text
    assert "orchestrate_queue_seconds_count 1.0" in text


def test_a_log_line_has_the_request_id_and_no_prompt(live, log_lines):
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "xyzzy"}], "max_tokens": 1}
    live.http.post("/v1/chat/completions", json=body, headers={"X-Request-Id": "r-1"})
    (line,) = log_lines('"r-1"')
    assert (line["route"], line["status"], line["owner"]) == ("/v1/chat/completions", 200, "local")
    assert all("xyzzy" not in json.dumps(line) for line in log_lines(""))


async def test_a_stalled_event_loop_is_seen_in_the_metrics():
    metrics = Metrics()
    watching = asyncio.create_task(watch(metrics))
    await asyncio.sleep(0)
    time.sleep(0.3)
    while metrics.registry.get_sample_value("orchestrate_event_loop_lag_seconds_count", OWN) is None:
        await asyncio.sleep(0.01)
    watching.cancel()
    assert metrics.registry.get_sample_value("orchestrate_event_loop_lag_most_seconds", WHOLE) > 0.2
    assert metrics.registry.get_sample_value("orchestrate_event_loop_lag_most_seconds", OWN) > 0.05
