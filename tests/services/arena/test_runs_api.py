"""What a run shows: the answers that chats would give, told as they come, and what of them differs."""

import json
import math

import pytest

from tests.services.api.described import event_validator
from tests.services.arena.conftest import COLUMNS, Runs


def chat(live, column, **sampled) -> str:
    """What a chat answers that is steered like a column."""
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 8}
    steering = {"steering": column["steering"]} if "steering" in column else {}
    answer = live.http.post("/v1/chat/completions", json={**body, **sampled, **steering})
    return answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("sampled", [{"temperature": 0}, {"temperature": 1.5, "seed": 7, "top_p": 0.9}])
def test_each_column_is_the_answer_that_a_chat_of_the_same_steering_gives(live, runs, sampled):
    run = runs.shown(**sampled)
    assert [column["text"] for column in run["columns"]] == [chat(live, each, **sampled) for each in COLUMNS]
    assert len({column["text"] for column in run["columns"]}) == 3


def test_without_the_chat_template_a_column_goes_on_with_the_prompt(live, runs):
    run = runs.shown(chat=False)
    body = {"model": "tiny-llama", "prompt": "Why?", "max_tokens": 8, "temperature": 0}
    texts = live.http.post("/v1/completions", json=body).json()
    assert run["columns"][0]["text"] == texts["choices"][0]["text"]
    assert run["prompt_tokens"] == texts["usage"]["prompt_tokens"]


def test_events_are_numbered_without_gaps_and_can_be_read_again_from_any_on(live, runs):
    run = runs.begin(alternatives=2)
    told = runs.events(run)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    for since in (0, 3, len(told) - 1):
        assert runs.events(run, since) == told[since:]
    assert runs.events(run, len(told)) == []
    for column, found in enumerate(runs.get(run)["columns"]):
        tokens = [each for each in told if each["kind"] == "token" and each["column"] == column]
        assert [each["index"] for each in tokens] == list(range(8))
        assert "".join(each["text"] for each in tokens) == found["text"]
        assert [len(each["alternatives"]) for each in tokens] == [2] * 8
        others = [each for each in told if each.get("column") == column and each["kind"] != "token"]
        assert others.pop()["kind"] == "column_ended"
        assert {each["kind"] for each in others} <= {"divergence"}


def test_divergences_that_come_after_their_tokens_are_told_once_each(runs):
    run = runs.begin(max_tokens=40)
    told = runs.events(run)
    for column, found in enumerate(runs.get(run)["columns"]):
        mine = [each for each in told if each.get("column") == column]
        bits = {each["index"]: each["divergence"] for each in mine if each["kind"] == "token"}
        late = [each for each in mine if each["kind"] == "divergence"]
        assert bool(late) == (column > 0)
        for each in late:
            for index, value in enumerate(each["bits"], each["index"]):
                assert bits[index] is None
                bits[index] = value
        assert list(bits.values()) == [token["divergence"] for token in found["tokens"]]
        assert None not in bits.values()


def test_each_event_is_one_that_the_description_declares(live, runs):
    validator = event_validator(live.http, "/v1/arena/runs/{run_id}/events")
    for event in runs.events(runs.begin(alternatives=1)):
        validator.validate(event)
        assert not validator.is_valid({**event, "kind": "nonsense"})


def test_of_a_baseline_nothing_diverges_and_of_a_steered_column_the_readings_are_those_of_a_chat(live, runs):
    base, bugs, _ = runs.shown()["columns"]
    assert {token["divergence"] for token in base["tokens"]} == {0.0}
    assert {token["projection"] for token in base["tokens"]} == {None}
    body = {
        "model": "tiny-llama",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 8,
        "temperature": 0,
        "steering": COLUMNS[1]["steering"],
        "divergence": True,
        "probes": [{"domain": "bug_analysis", "layer": bugs["steered"][0]["layer"]}],
    }
    readings = live.http.post("/v1/chat/completions", json=body).json()["choices"][0]["readings"]
    assert [token["divergence"] for token in bugs["tokens"]] == pytest.approx(
        readings["divergence"], rel=1e-4
    )
    along = [token["projection"] for token in bugs["tokens"]]
    assert along == pytest.approx(readings["probes"][0]["projection"], rel=1e-4)


def test_where_answers_part_both_tokens_have_the_probability_that_each_column_gave(runs):
    base, bugs, reading = runs.shown()["columns"]
    for column in (bugs, reading):
        first = column["difference"]["first"]
        there = base["tokens"][first["index"]], column["tokens"][first["index"]]
        assert (
            base["tokens"][: first["index"]]
            == [
                {**token, "logprob": theirs["logprob"], "divergence": 0.0, "projection": None}
                for token, theirs in zip(column["tokens"], base["tokens"], strict=True)
            ][: first["index"]]
        )
        assert (first["baseline"]["id"], first["column"]["id"]) == (there[0]["id"], there[1]["id"])
        assert first["baseline"]["baseline_probability"] == pytest.approx(
            math.exp(there[0]["logprob"]), rel=1e-4
        )
        assert first["column"]["column_probability"] == pytest.approx(math.exp(there[1]["logprob"]), rel=1e-4)
        assert first["baseline"]["baseline_probability"] >= first["column"]["baseline_probability"]
        assert first["column"]["column_probability"] >= first["baseline"]["column_probability"]


def test_a_row_of_strength_0_has_the_baselines_very_tokens_and_so_has_such_a_column(runs):
    zero = {"name": "zero", "steering": {"domain": "bug_analysis", "alpha": 0.0}}
    run = runs.shown(columns=[*COLUMNS, zero], temperature=1.0)
    assert run["self_check"] == {"tokens": 8, "same": True}
    assert run["columns"][3]["difference"] == {
        "same": True,
        "first": None,
        "jaccard": 1.0,
        "diff": [{"kind": "equal", "text": run["columns"][0]["text"]}],
    }


def test_without_a_baseline_nothing_is_compared(runs):
    run = runs.shown(columns=COLUMNS[1:])
    assert run["self_check"] is None
    assert [column["difference"] for column in run["columns"]] == [None, None]


def test_a_run_is_run_again_as_it_was_asked_for_seed_and_all(live, runs):
    run = runs.shown(temperature=1.2, min_p=0.02, top_k=40)
    again = live.http.post(f"/v1/arena/runs/{run['id']}/again").json()
    runs.events(again)
    assert again["id"] != run["id"]
    assert runs.get(again)["request"] == run["request"]
    assert [each["text"] for each in runs.get(again)["columns"]] == [each["text"] for each in run["columns"]]


def test_runs_are_listed_newest_first_in_pages_and_the_oldest_make_room(serving, live):
    few = Runs(serving(data=live.runtime.settings.data / "few", arena_results=3).http)
    made = [few.shown(prompt=f"{number}?", columns=COLUMNS[:1], max_tokens=1) for number in range(4)]
    page = few.http.get("/v1/arena/runs", params={"limit": 2}).json()
    rest = few.http.get("/v1/arena/runs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [each["id"] for each in [*page["data"], *rest["data"]]] == [run["id"] for run in made[:0:-1]]
    assert [each["prompt"] for each in page["data"]] == ["3?", "2?"]
    assert rest["next_cursor"] is None
    assert few.http.get(f"/v1/arena/runs/{made[0]['id']}").status_code == 404


def test_the_page_is_one_file_that_loads_nothing_and_shows_hostile_texts_as_text(live, runs):
    markup = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    columns = [{"name": "a</h2>" + markup[:60]}, {**COLUMNS[1], "name": "\"'><b>"}]
    run = runs.shown(prompt=markup, columns=columns, alternatives=5)
    answer = live.http.get(f"/v1/arena/runs/{run['id']}/page")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for tag in ("<script", "<img", "<b>", "<link", "src=", "href="):
        assert tag not in answer.text.replace("src=x", "")
    assert "&lt;script&gt;alert(1)" in answer.text
    assert json.dumps(run["request"]["prompt"]) == json.dumps(markup)
