"""`orchestrate serve` and `orchestrate keys` as processes, on a tiny model with the real graph."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from tests.orchestrator.conftest import PROBLEM, git
from tests.services.conftest import sse, until

COMMAND = [sys.executable, "-c", "from orchestrator.cli import main; main()"]


class Place:
    """A folder with a data set's worth of settings, and the servers that run in it."""

    def __init__(self, folder, model, project, cache):
        self.folder = folder
        self.commit = git(project, "rev-parse", "HEAD")
        (folder / "orchestrate.toml").write_text(
            f'model = "{model}"\ncache = "{cache}"\ndtype = "float32"\n'
            f'[serve]\nport = 0\nlease_s = 2\n[serve.repositories]\nabacus = "{project}"\n'
        )

    def run(self, *arguments):
        return subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, check=False, capture_output=True, text=True, timeout=120
        )

    @contextmanager
    def serving(self):
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen([*COMMAND, "serve"], cwd=self.folder, stderr=log)
        try:
            address = until(self._address, 60)
            with httpx.Client(base_url=address, timeout=30) as http:
                until(lambda: process.poll() is None and http.get("/ready").status_code == 200, 120)
                yield process, http
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

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
    frames = sse(http.get(f"/v1/tasks/{task}/events", timeout=120).text)
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
    with place.serving() as (_, http):
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
        follow(http, task, "tokens")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with place.serving() as (_, http):
        ended, frames = finish(http, task)
    assert ended["state"] == "completed"
    assert [number for number, _, _ in frames] == list(range(1, len(frames) + 1))
    kinds = [kind for _, kind, _ in frames]
    assert "interrupted" in kinds
    assert nodes_begun(frames).count("code_reading") == 1


def test_a_server_that_others_could_reach_needs_a_key(place):
    refused = place.run("serve", "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert refused.stderr.startswith("orchestrate: 0.0.0.0 can be reached by other machines")
    assert refused.stderr.count("\n") == 1


def test_keys_are_made_listed_and_revoked(place):
    made = json.loads(place.run("keys", "create", "--name", "laptop", "--json").stdout)
    listed = place.run("keys", "list").stdout
    assert made["id"] in listed
    assert "in use" in listed
    assert made["key"].split("_", 2)[2] not in listed
    assert place.run("keys", "revoke", made["id"]).returncode == 0
    assert "revoked" in place.run("keys", "list").stdout
    again = place.run("keys", "revoke", made["id"])
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_settings_that_are_wrong_are_told_in_one_line(place):
    with (place.folder / "orchestrate.toml").open("a") as file:
        file.write('[serve.nonsense]\nx = "y"\n')
    refused = place.run("serve")
    assert refused.returncode == 2
    assert "nonsense" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_environment_is_over_the_file(place):
    env = {**os.environ, "ORCHESTRATE_SERVE__HOST": "0.0.0.0"}
    refused = subprocess.run(
        [*COMMAND, "serve"],
        cwd=place.folder,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "0.0.0.0" in refused.stderr
