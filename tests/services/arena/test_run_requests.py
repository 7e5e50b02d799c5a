"""What a run may not be asked for, told in a sentence; nothing of it is begun."""

import pytest

from tests.services.arena.conftest import ASKED, COLUMNS


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"columns": []}, 422, "columns: "),
        ({"columns": [{"name": f"c{n}"} for n in range(7)]}, 422, "columns: "),
        ({"columns": [COLUMNS[0], COLUMNS[0]]}, 422, "two have one name"),
        ({"columns": [{"name": ""}]}, 422, "columns.0.name"),
        ({"columns": [{"name": " "}]}, 422, "it is empty"),
        ({"columns": [{"name": "a\x1b[2Jb"}]}, 422, "control character"),
        ({"columns": [{"name": "a\nb"}]}, 422, "line break"),
        ({"columns": [{"name": "a\u202eb"}]}, 422, "control character"),
        ({"columns": [{"name": "x" * 81}]}, 422, "80"),
        ({"columns": [{"name": "x", "colour": "red"}]}, 422, "columns.0.colour"),
        (
            {"columns": [{"name": "x", "steering": {"domain": "nothing"}}]},
            404,
            "columns.0: there is no vector",
        ),
        (
            {"columns": [{"name": "x", "steering": {"domain": "bug_analysis", "alpha": 1e6}}]},
            422,
            "columns.0",
        ),
        ({"columns": [{"name": "x", "steering": "bug_analysis@99"}]}, 422, "columns.0"),
        ({"columns": [{"name": "x", "steering": "bug_analysis["}]}, 422, "columns.0.steering"),
        ({"prompt": ""}, 422, "prompt"),
        ({"prompt": "a\x00b"}, 422, "NUL"),
        ({"prompt": "x" * 200_001}, 422, "prompt"),
        ({"prompt": "word " * 30_000}, 422, "columns.0"),
        ({"max_tokens": 2049}, 422, "max_tokens"),
        ({"temperature": 2.5}, 422, "temperature"),
        ({"min_p": 1.5}, 422, "min_p"),
        ({"top_k": -1}, 422, "top_k"),
        ({"seed": -1}, 422, "seed"),
        ({"alternatives": 6}, 422, "alternatives"),
        ({"model": "gpt-2"}, 404, "gpt-2"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(live, changed, status, said):
    answer = live.http.post("/v1/arena/runs", json=ASKED | changed)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert live.http.get("/v1/arena/runs").json()["data"] == []
    assert not live.runtime.gate.requests


def test_more_tokens_than_the_server_takes_at_once_are_refused(serving):
    live = serving(chat_tokens=100)
    answer = live.http.post("/v1/arena/runs", json=ASKED | {"max_tokens": 60})
    assert answer.status_code == 422 and "lower max_tokens" in answer.json()["detail"]


def test_half_a_surrogate_pair_is_refused(live):
    body = '{"prompt": "\\ud800", "columns": [{"name": "\\ud800"}]}'
    answer = live.http.post(
        "/v1/arena/runs", content=body.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
