"""Many prompts under several steerings: the cells of a matrix, what they say of columns, a resumption."""

import csv
import json
from io import StringIO
from statistics import fmean

import pytest
import sqlalchemy as sa

from services.store.schema import ARENA
from tests.services.api.described import event_validator
from tests.services.arena.conftest import COLUMNS
from tests.services.conftest import sse, until

BATCHES = "/v1/arena/batches"
PROMPTS = ["Why?", "What is a loop?", "Where?", "=SUM(A1) <b>\u2028"]
ASKED = {"prompts": PROMPTS, "columns": COLUMNS, "max_tokens": 6}


class Batches:
    """A client of a server's batches."""

    def __init__(self, http):
        self.http = http

    def begin(self, **changed):
        answer = self.http.post(BATCHES, json=ASKED | changed)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def events(self, batch, since=0):
        answer = self.http.get(f"{BATCHES}/{batch['id']}/events", params={"since": since})
        return [json.loads(data) for _, _, data in sse(answer.text)]

    def get(self, batch):
        return self.http.get(f"{BATCHES}/{batch['id']}").raise_for_status().json()

    def over(self, batch):
        return until(lambda: found if (found := self.get(batch))["state"] != "running" else None)


def answers(batch):
    """The answers of a batch's cells, by prompt and column."""
    return sorted((cell["prompt"], cell["column"], cell["text"]) for cell in batch["cells"])


@pytest.fixture
def batches(live):
    return Batches(live.http)


def test_every_cell_is_the_column_of_a_run_of_that_prompt(batches, runs):
    batch = batches.begin()
    told = batches.events(batch)
    assert [event["seq"] for event in told] == list(range(1, 14))
    assert told[-1] == {"seq": 13, "kind": "batch_ended", "state": "done", "cells": 12}
    found = batches.get(batch)
    assert [(cell["prompt"], cell["column"]) for cell in found["cells"]] == [
        (prompt, column) for prompt in range(4) for column in range(3)
    ]
    for number, prompt in enumerate(PROMPTS[:2]):
        run = runs.shown(prompt=prompt, max_tokens=6)
        for column, cell in zip(run["columns"], found["cells"][3 * number :], strict=False):
            assert cell["text"] == column["text"]
            if (different := column["difference"]) is not None:
                assert (cell["same"], cell["jaccard"]) == (different["same"], different["jaccard"])
                assert cell["first_difference"] == (different["first"] or {}).get("index")
                bits = fmean(token["divergence"] for token in column["tokens"])
                assert cell["divergence"] == pytest.approx(bits, rel=1e-3)


def test_each_column_has_its_figures_with_interval_and_n(batches):
    batch = batches.begin()
    batches.events(batch)
    found = batches.get(batch)
    assert [method["name"] for method in found["methods"]] == ["bugs", "reading"]
    for number, method in enumerate(found["methods"], start=1):
        cells = [cell for cell in found["cells"] if cell["column"] == number]
        assert method["change_rate"]["value"] == fmean(not cell["same"] for cell in cells)
        assert method["jaccard"]["value"] == pytest.approx(fmean(cell["jaccard"] for cell in cells))
        for figure in ("change_rate", "divergence", "jaccard"):
            measured = method[figure]
            assert measured["n"] == 4
            assert measured["low"] <= measured["value"] <= measured["high"]


def test_one_prompt_has_no_interval_of_a_mean_that_knows_no_bound(batches):
    batch = batches.begin(prompts=["x"])
    batches.events(batch)
    (method, _) = batches.get(batch)["methods"]
    assert (method["divergence"]["low"], method["divergence"]["high"]) == (0.0, None)


def test_a_domains_prompts_are_those_its_vector_is_made_of(live, batches):
    batch = batches.begin(prompts=None, domain="bug_analysis", columns=COLUMNS[:1], max_tokens=1)
    known = live.session.vectors.domains.load("bug_analysis")
    assert batch["texts"] == list(known.prompts.positive)
    live.http.delete(f"{BATCHES}/{batch['id']}")
    batches.over(batch)


def test_the_files_hold_the_cells_and_no_formula(live, batches):
    batch = batches.begin()
    batches.events(batch)
    found = batches.get(batch)
    answer = live.http.get(f"{BATCHES}/{batch['id']}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"{batch['id']}.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(StringIO(answer.text, newline="")))
    assert len(rows) == 12
    assert rows[-1]["prompt"] == "'" + PROMPTS[-1]
    assert [row["text"].removeprefix("'") for row in rows] == [
        cell["text"].removeprefix("'") for cell in found["cells"]
    ]
    assert not any(row["text"].startswith(("=", "+", "-", "@")) for row in rows)
    assert live.http.get(f"{BATCHES}/{batch['id']}.json").json() == found


def test_a_batch_that_is_stopped_goes_on_after_the_prompts_it_has(live, gate, batches):
    prompts = ["1?", *(f"Later {number}?" for number in range(7))]
    batch = batches.begin(prompts=prompts, max_tokens=40, chat=False)
    until(lambda: batches.get(batch)["cells"])
    live.http.delete(f"{BATCHES}/{batch['id']}")
    gate.set()
    stopped = batches.over(batch)
    assert stopped["state"] == "cancelled"
    assert 0 < len(stopped["cells"]) < 24
    assert batches.http.post(f"{BATCHES}/{batch['id']}/resume").json()["state"] == "running"
    assert batches.http.post(f"{BATCHES}/{batch['id']}/resume").status_code == 409
    told = batches.events(batch)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    found = batches.get(batch)
    assert (found["state"], len(found["cells"])) == ("done", 24)
    assert batches.http.post(f"{BATCHES}/{batch['id']}/resume").status_code == 409
    assert set(answers(stopped)) < set(answers(found))
    whole = batches.begin(prompts=stopped["texts"][-1:], max_tokens=40, chat=False)
    batches.events(whole)
    assert [text for *_, text in answers(batches.get(whole))] == [text for *_, text in answers(found)[-3:]]


def test_a_batch_whose_server_was_killed_says_so_and_is_resumed(live, batches):
    batch = batches.begin(prompts=["a", "b"])
    cells = [event for event in batches.events(batch) if event["kind"] == "cell"]
    store = live.runtime.store
    stored = store.arena.get("local", "batch", batch["id"])
    left = store.arena.create("local", "batch", stored.model, stored.request, 9)
    store.arena.record(left.number, 1, [{**each, "seq": n} for n, each in enumerate(cells[:3], 1)])
    with store.database.write() as connection:
        connection.execute(sa.update(ARENA).where(ARENA.c.id == left.id).values(alive_at=0.0))
    gone = {"id": left.id}
    last = batches.events(gone)[-1]
    assert (batches.get(gone)["state"], last["kind"]) == ("interrupted", "batch_failed")
    assert "resume it" in last["reason"]
    assert live.http.post(f"{BATCHES}/{left.id}/resume").status_code == 202
    batches.events(gone)
    assert answers(batches.get(gone)) == answers(batches.get(batch))


def test_each_event_is_one_that_the_description_declares(live, batches):
    validator = event_validator(live.http, f"{BATCHES}/{{batch_id}}/events")
    for event in batches.events(batches.begin(prompts=["x"])):
        validator.validate(event)
        assert not validator.is_valid({**event, "kind": "nonsense"})


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"prompts": []}, 422, "prompts"),
        ({"prompts": ["x"] * 201}, 422, "prompts"),
        ({"prompts": ["x" * 180_000] * 3}, 422, "characters together"),
        ({"prompts": ["x", ""]}, 422, "prompts.1"),
        ({"domain": "bug_analysis"}, 422, "not both"),
        ({"prompts": None}, 422, "prompts or a domain"),
        ({"prompts": None, "domain": "../x"}, 422, "no domain"),
        ({"columns": COLUMNS[1:]}, 422, "baseline"),
        ({"columns": [{"name": "x", "steering": {"domain": "nothing"}}, COLUMNS[0]]}, 404, "columns.0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(live, changed, status, said):
    answer = live.http.post(BATCHES, json=ASKED | changed)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert live.http.get(BATCHES).json()["data"] == []
