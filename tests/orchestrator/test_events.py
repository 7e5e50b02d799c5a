"""Events are JSON that a consumer which is not this process can store, tell apart by kind, and replay."""

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.events import Event, InUnit, Progressed, Retrieved, TaskEvent, told
from orchestrator.policy.decisions import Code
from orchestrator.records import FoundDefinition, Hit

EVENT, TASK_EVENT = TypeAdapter(Event), TypeAdapter(TaskEvent)


def test_an_event_comes_back_from_its_json_as_the_same_class():
    found = Retrieved(
        hits=[Hit(path="a.py", score=1.5)],
        definitions=[FoundDefinition(path="a.py", name="f", kind="function", lines=(3, 9), score=0.5)],
    )
    event = InUnit(run="r", instance_id="i", event=found)
    written = event.model_dump(mode="json")
    assert list(written["event"]) == ["kind", "hits", "definitions"]
    assert written["event"]["definitions"][0]["lines"] == [3, 9]
    assert EVENT.validate_python(written) == event


def test_a_decision_that_was_stored_before_reasons_had_codes_is_replayed():
    stored = {"kind": "decision", "node": "n", "steering": {"applied": False, "reason": "off: as it was"}}
    assert TASK_EVENT.validate_python(stored).steering.code == Code.UNRECORDED


def test_a_kind_that_nobody_knows_is_refused():
    with pytest.raises(ValidationError, match="kind"):
        EVENT.validate_python({"kind": "rumour"})


def test_the_schema_tells_the_classes_apart_by_kind():
    discriminator = TASK_EVENT.json_schema()["discriminator"]
    assert discriminator["propertyName"] == "kind"
    assert {"decision", "tokens", "candidate"} <= discriminator["mapping"].keys()


def test_progress_is_told_as_an_event():
    heard = []
    told(heard.append)("indexing", 1, 3)
    assert heard == [Progressed(label="indexing", done=1, total=3)]
