"""What the API says of itself in /openapi.json, held against what it answers."""

import pytest

from tests.services.fuzz import fuzz


@pytest.mark.slow
def test_every_answer_to_generated_requests_is_one_that_the_description_declares(serving, script, tmp_path):
    live = serving(requests_per_minute=100_000)
    report = fuzz(live, script, tmp_path, cases=200, seed=1, phases="examples,fuzzing")
    assert report["exit_code"] == 0, report["said"]
    assert report["operations"]["tested"] == report["operations"]["total"]
    assert report["cases"]["generated"] >= 150
    accepted = {
        route for route, answers in report["answers"].items() if {"200", "201", "202"} & answers.keys()
    }
    assert len(accepted) >= 14


def test_a_method_that_a_path_lacks_is_told_all_that_it_has(live):
    assert live.http.options("/v1/tasks").headers["allow"] == "GET, POST"
    assert live.http.options("/v1/vectors/a/b").headers["allow"] == "GET, PUT"


@pytest.mark.parametrize("fields", [{"max_tokens": "5"}, {"temperature": "0"}, {"logprobs": 1}, {"stop": 5}])
def test_a_value_of_another_type_is_refused_not_converted(live, fields):
    turns = [{"role": "user", "content": "x"}]
    body = {"model": live.runtime.models.target, "messages": turns, **fields}
    assert live.http.post("/v1/chat/completions", json=body).status_code == 400
