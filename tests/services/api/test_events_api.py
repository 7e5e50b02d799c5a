"""The stream of a task's events is what its description says, whatever is told."""

import json

import pytest

from services.api.events import Closing
from tests.services.api.described import event_validator
from tests.services.conftest import sse
from tests.services.store.conftest import EVERY_EVENT, result


@pytest.fixture
def told(serving):
    """A server, and the frames of a task that told of everything; nobody but the test works on it."""
    live = serving(ready=False)
    task = live.create()
    claims = live.runtime.store.claims
    claim = claims.claim("w", task["model"])
    claims.release(claim, "the server stops")
    claim = claims.claim("w", task["model"])
    claims.record(claim, EVERY_EVENT)
    claims.complete(claim, result())
    return live, sse(live.http.get(f"/v1/tasks/{task['id']}/events").text)


def test_each_event_of_a_stream_is_one_that_the_description_declares(told):
    live, frames = told
    validator = event_validator(live.http)
    kinds = [kind for _, kind, _ in frames]
    assert kinds == ["queued", "interrupted", *(event.kind for event in EVERY_EVENT), "result"]
    for number, kind, data in frames:
        document = json.loads(data)
        validator.validate(document)
        assert (document["seq"], document["kind"]) == (number, kind)
    validator.validate(Closing().model_dump())


def test_the_description_of_a_stream_declares_nothing_else(told):
    live, frames = told
    validator = event_validator(live.http)
    found = [json.loads(data) for _, _, data in frames]
    assert not validator.is_valid({**found[0], "kind": "nonsense"})
    for document in found:
        for missing in ("kind", "seq"):
            assert not validator.is_valid({k: v for k, v in document.items() if k != missing})


def test_the_result_in_the_stream_has_the_patch_and_the_task_has_what_the_nodes_did(told):
    live, frames = told
    (task,) = live.http.get("/v1/tasks").json()["data"]
    ended = json.loads(frames[-1][2])
    assert ended["patch"] == result().patch and "nodes" not in ended
    assert "patch" not in task["result"]
    assert [node["name"] for node in task["result"]["nodes"]] == ["code_reading"]
