"""What the API says of itself in /openapi.json, held against what it answers."""

import json

import pytest

from tests.services.api.fuzz import fuzz


@pytest.mark.slow
def test_every_answer_to_generated_requests_is_one_that_the_description_declares(serving, script, tmp_path):
    live = serving(requests_per_minute=100_000)
    report = fuzz(live, script, tmp_path, cases=140, seed=1, phases="examples,fuzzing")
    assert report["exit_code"] == 0, report["said"]
    assert report["operations"]["tested"] == report["operations"]["total"]
    assert report["cases"]["generated"] >= 100
    assert report["events"] > 0
    accepted = {
        route for route, answers in report["answers"].items() if {"200", "201", "202"} & answers.keys()
    }
    assert len(accepted) >= 14


def test_a_method_that_a_path_lacks_is_told_all_that_it_has(live):
    assert live.http.options("/v1/tasks").headers["allow"] == "GET, HEAD, POST"
    assert live.http.options("/v1/vectors/a/b").headers["allow"] == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize("fields", [{"max_tokens": "5"}, {"temperature": "0"}, {"logprobs": 1}, {"stop": 5}])
def test_a_value_of_another_type_is_refused_not_converted(live, fields):
    turns = [{"role": "user", "content": "x"}]
    body = {"model": live.runtime.models.target, "messages": turns, **fields}
    assert live.http.post("/v1/chat/completions", json=body).status_code == 400


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_half_a_character_is_refused_wherever_a_text_is_taken(live, text):
    as_json = {"Content-Type": "application/json"}
    turns = [{"role": "user", "content": text}]
    chats = ({"messages": turns}, {"messages": [{**turns[0], "content": "x"}], "stop": text})
    for fields in chats:
        body = json.dumps({"model": live.runtime.models.target, **fields})
        assert live.http.post("/v1/chat/completions", content=body, headers=as_json).status_code == 400
    statement = {"repository": "abacus", "commit": "a" * 40, "problem_statement": text}
    answer = live.http.post("/v1/tasks", content=json.dumps(statement), headers=as_json)
    assert (answer.status_code, "surrogate" in answer.json()["detail"]) == (422, True)
