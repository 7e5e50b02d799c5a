"""Runs as a client makes and follows them."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.services.conftest import sse
from tests.services.load.held import hold

COLUMNS = [
    {"name": "baseline"},
    {"name": "bugs", "steering": {"domain": "bug_analysis", "alpha": 6.0}},
    {"name": "reading", "steering": "50%·code_reading@1"},
]
ASKED = {"prompt": "Why?", "columns": COLUMNS, "max_tokens": 8}


class Runs:
    """A client of a server's runs."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def begin(self, **changed) -> dict:
        answer = self.http.post("/v1/arena/runs", json=ASKED | changed)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/arena/runs/{answer.json()['id']}"
        return answer.json()

    def events(self, run: dict, since: int | None = None) -> list[dict]:
        headers = {} if since is None else {"Last-Event-ID": str(since)}
        answer = self.http.get(f"/v1/arena/runs/{run['id']}/events", headers=headers)
        found = [json.loads(data) for _, _, data in sse(answer.text)]
        assert answer.status_code == (200 if found else 204)
        return found

    def get(self, run: dict) -> dict:
        return self.http.get(f"/v1/arena/runs/{run['id']}").raise_for_status().json()

    def shown(self, **changed) -> dict:
        """A run that is over."""
        run = self.begin(**changed)
        assert self.events(run)[-1]["kind"] == "run_ended"
        return self.get(run)


@pytest.fixture
def runs(live) -> Runs:
    return Runs(live.http)


@pytest.fixture
def gate(live, monkeypatch) -> Iterator[threading.Event]:
    """What begins with "Later" waits until this is set."""
    passed = threading.Event()
    hold(passed.is_set, monkeypatch)
    yield passed
    passed.set()
