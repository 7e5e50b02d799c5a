"""`orchestrate serve` as a process that is killed and terminated, on a tiny model with the real graph.

What follows works on the same store from within the test, which is quicker. What ends before a server
listens, and `orchestrate keys`, are called without a process of their own.
"""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from orchestrator.cli import main
from orchestrator.logs import configure
from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.orchestrator.conftest import PROBLEM, git
from tests.services.conftest import run, sse, until

HELD = """
import threading, time
from dataclasses import replace
from vectors.engine.engine import Engine
submit_all, submitted = Engine.submit_all, []

def held(engine, requests):
    if requests[0].on_token:  # a node's, and no measuring of how strongly to steer
        submitted.append(requests)
    if len(submitted) < 2:
        return submit_all(engine, requests)
    tickets = []

    def wait(_text):
        while not (engine.closed or any(ticket.row.cancelled for ticket in tickets)):
            time.sleep(0.01)

    tickets += submit_all(engine, [replace(request, on_token=wait) for request in requests])
    return tickets

Engine.submit_all = held
from orchestrator.cli import main
main()
"""
"""The command line, whose task gets no further than its second model node, however fast the machine is."""


class Place:
    """A folder with a data set's worth of settings, and the servers that run in it."""

    def __init__(self, folder, model, project, cache):
        self.folder, self.model, self.project, self.cache = folder, str(model), project, cache
        self.commit = git(project, "rev-parse", "HEAD")
        (folder / "orchestrate.toml").write_text(
            f'model = "{model}"\ncache = "{cache}"\ndtype = "float32"\n'
            f'[serve]\nport = 0\nlease_s = 600\ndrain_s = 1\n[serve.repositories]\nabacus = "{project}"\n'
        )

    @contextmanager
    def serving(self):
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen([sys.executable, "-c", HELD, "serve"], cwd=self.folder, stderr=log)
        try:
            address = until(self._address)
            with httpx.Client(base_url=address, timeout=None) as http:
                until(lambda: process.poll() is None and http.get("/ready").status_code == 200)
                yield process, http
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    @contextmanager
    def following(self):
        """The next server on this store, in the test's own process."""
        machine = Settings(model=self.model, cache=self.cache, dtype="float32")
        with Session(machine, progress=lambda *_: None) as session:
            settings = ServeSettings(
                data=self.folder / "service", repositories={"abacus": self.project}, drain_s=1
            )
            live = run(runtime := Runtime(session, settings))
            with runtime.store.database.write() as connection:  # as if a dead server's lease had ended
                connection.exec_driver_sql("UPDATE tasks SET available_at = 0")
            runtime.start()
            try:
                until(lambda: runtime.models.served)
                yield live.http
            finally:
                live.stop()

    def _address(self):
        first = (self.folder / "log").read_text().partition("\n")[0]
        return first.split()[0] if first.startswith("http://") else None

    def create(self, http):
        body = {"repository": "abacus", "commit": self.commit, "problem_statement": PROBLEM, "edits": 0}
        answer = http.post("/v1/tasks", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]


@pytest.fixture
def place(tmp_path, tiny_model, project, tmp_path_factory):
    return Place(tmp_path, tiny_model, project, tmp_path_factory.getbasetemp() / "served-cache")


def follow(http, task, until_kind):
    """The frames of a stream, up to the first of a kind."""
    found = ""
    with http.stream("GET", f"/v1/tasks/{task}/events") as answer:
        for line in answer.iter_lines():
            found += line + "\n"
            if f"event: {until_kind}\n" in found and found.endswith("\n\n"):
                break
    return sse(found)


def finish(http, task):
    """The task when it is over, and all that it told."""
    frames = sse(http.get(f"/v1/tasks/{task}/events").text)
    return http.get(f"/v1/tasks/{task}").json(), frames


def nodes_begun(frames):
    return [json.loads(data)["node"] for _, kind, data in frames if kind == "node_started"]


@pytest.mark.slow
def test_what_a_killed_server_ran_is_finished_by_the_next_one(place):
    with place.serving() as (process, http):
        task = place.create(http)
        seen = follow(http, task, "retrieved")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with place.following() as http:
        ended, frames = finish(http, task)
    assert ended["state"] == "completed"
    assert [number for number, _, _ in frames] == list(range(1, len(frames) + 1))
    assert frames[: len(seen)] == seen
    kinds = [kind for _, kind, _ in frames]
    assert kinds.count("result") == 1
    assert "resumed" in kinds
    assert nodes_begun(frames).count("code_reading") == 1


@pytest.mark.slow
def test_a_terminated_server_leaves_in_order_and_the_next_one_goes_on(place):
    with place.serving() as (process, http):
        task = place.create(http)
        follow(http, task, "retrieved")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    with place.following() as http:
        ended, frames = finish(http, task)
    assert ended["state"] == "completed"
    assert [number for number, _, _ in frames] == list(range(1, len(frames) + 1))
    kinds = [kind for _, kind, _ in frames]
    assert "interrupted" in kinds
    assert nodes_begun(frames).count("code_reading") == 1


@pytest.fixture
def orchestrate(place, capsys, monkeypatch):
    """Calls the command line; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(place.folder)

    def called(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    yield called
    configure("warning")


def test_a_server_that_others_could_reach_needs_a_key(orchestrate):
    code, _, told = orchestrate("serve", "--host", "0.0.0.0")
    assert code == 2
    assert told.startswith("orchestrate: 0.0.0.0 can be reached by other machines")
    assert told.count("\n") == 1


def test_keys_are_made_listed_and_revoked(orchestrate):
    made = json.loads(orchestrate("keys", "create", "--name", "laptop", "--operator", "--json")[1])
    listed = orchestrate("keys", "list")[1]
    assert made["id"] in listed
    assert "in use" in listed
    assert "operator" in listed
    assert made["key"].split("_", 2)[2] not in listed
    assert orchestrate("keys", "revoke", made["id"])[0] == 0
    assert "revoked" in orchestrate("keys", "list")[1]
    code, _, told = orchestrate("keys", "revoke", made["id"])
    assert (code, told.count("\n")) == (2, 1)


def test_settings_that_are_wrong_are_told_in_one_line(place, orchestrate):
    with (place.folder / "orchestrate.toml").open("a") as file:
        file.write('[serve.nonsense]\nx = "y"\n')
    code, _, told = orchestrate("serve")
    assert code == 2
    assert "nonsense" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('[serve.repositories]\nnowhere = "/nowhere"\n', "serve.repositories.nowhere: /nowhere is not"),
        ("broken", "orchestrate.toml is no TOML"),
    ],
)
def test_what_a_server_cannot_be_started_with_is_told_in_one_line(place, orchestrate, table, why):
    model = f'model = "{place.model}"\n'
    (place.folder / "orchestrate.toml").write_text(model + table)
    code, _, told = orchestrate("serve")
    assert (code, told.count("\n")) == (2, 1)
    assert why in told


def test_a_file_in_the_way_of_the_data_folder_is_named(place, orchestrate):
    (place.folder / "service").write_text("")
    code, _, told = orchestrate("serve")
    assert code in (1, 2)
    assert told.count("\n") == 1
    assert "service" in told


def test_the_environment_is_over_the_file(orchestrate, monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_SERVE__HOST", "0.0.0.0")
    code, _, told = orchestrate("serve")
    assert code == 2
    assert "0.0.0.0" in told
