"""Names that are meant to lead elsewhere, in every place where a request names something.

Whatever they are refused with, no process is started for them and nothing is opened or written outside the
server's folder. Patches that are meant to do harm are held in `tests/swebench/grading/test_hostile.py`.
"""

import json
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.orchestrator.conftest import git
from tests.services.conftest import INSTANCE
from tests.swebench.grading.hostile import NAMES

FOR_GIT = {
    "upload-pack": "--upload-pack=touch {aim}/outside.txt",
    "exec": "--exec=touch {aim}/outside.txt",
    "output": "--output={aim}/outside.txt",
    "config": "-ccore.sshCommand=touch {aim}/outside.txt",
    "ext transport": "ext::sh -c touch% {aim}/outside.txt",
    "file url": "file://{aim}",
    "https url": "https://example.org/x.git",
    "scp address": "git@example.org:x.git",
    "reflog": "HEAD@{{1}}",
    "by message": ":/fix",
    "range": "HEAD..main",
    "path of a commit": "HEAD:abacus/calc.py",
    "parent": "HEAD~1",
    "newline": "a\n--output={aim}/outside.txt",
    "a hash and more": "a" * 40 + " --output={aim}/outside.txt",
}
CORPUS = {**NAMES, **{f"git {name}": text for name, text in FOR_GIT.items()}}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
_watching: list[list[tuple[str, str]]] = []


def _audit(event, arguments):
    if not _watching:
        return
    if event in _STARTS:
        _watching[-1].append((event, str(arguments[:2])))
    elif event == "open" and isinstance(arguments[0], str | bytes | Path):
        flags = arguments[2]
        kind = "write" if isinstance(flags, int) and flags & _WRITES else "read"
        _watching[-1].append((kind, os.fsdecode(arguments[0])))


sys.addaudithook(_audit)  # it cannot be taken away again: without a watcher it does nothing


@contextmanager
def watched():
    """What is started and opened in this process, server and all."""
    seen: list[tuple[str, str]] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def started(seen):
    return [each for each in seen if each[0] in _STARTS]


def written(seen, data):
    return [path for kind, path in seen if kind == "write" and not Path(path).is_relative_to(data)]


def post(live, body):
    """As ASCII, which can hold any half of a surrogate pair."""
    headers = {"Content-Type": "application/json"}
    return live.http.post("/v1/tasks", content=json.dumps(body), headers=headers)


@pytest.fixture
def aim(tmp_path):
    """Nothing may be read from or written to this folder."""
    folder = tmp_path / "aim"
    folder.mkdir()
    (folder / "secret.txt").write_text("nobody's business")
    return folder


@pytest.mark.parametrize("field", ["instance_id", "dataset", "repository", "commit", "model"])
def test_no_name_in_a_task_starts_a_process_or_opens_a_file(serving, project, aim, tmp_path, script, field):
    live = serving(repositories={"abacus": project}, requests_per_minute=10_000)
    statement = {
        "repository": "abacus",
        "commit": git(project, "rev-parse", "HEAD"),
        "problem_statement": "x",
    }
    whole = statement if field in statement else INSTANCE
    with watched() as seen:
        for text in CORPUS.values():
            answer = post(live, {**whole, field: text.format(aim=aim)})
            assert answer.status_code in (400, 422), text
    assert started(seen) == []
    assert written(seen, tmp_path / "service") == []
    assert not [path for _, path in seen if str(aim) in path]
    assert script.begun == []


def test_no_name_in_a_path_starts_a_process_or_leads_outside(live, aim, tmp_path):
    routes = [
        ("GET", "/v1/tasks/{}"),
        ("DELETE", "/v1/tasks/{}"),
        ("POST", "/v1/tasks/{}/resume"),
        ("GET", "/v1/tasks/{}/events"),
        ("GET", "/v1/tasks/{}/patch"),
        ("GET", "/v1/tasks/{}/trajectory"),
        ("GET", "/v1/models/{}"),
        ("GET", "/v1/vectors/tiny-llama/{}"),
        ("GET", "/v1/vectors/{}/code_reading"),
        ("PUT", "/v1/vectors/tiny-llama/{}"),
        ("PUT", "/v1/vectors/{}/mine"),
    ]
    live.runtime.rates = type(live.runtime.rates)(10_000)
    with watched() as seen:
        for method, route in routes:
            for text in CORPUS.values():
                name = quote(text.format(aim=aim).encode("utf-8", "surrogatepass"), safe="")
                if set(name) == {"."}:
                    continue  # a client takes them out of a path
                binary = {"Content-Type": "application/octet-stream"} if method == "PUT" else {}
                answer = live.http.request(method, route.format(name), headers=binary)
                # A name of two parts is none of these routes', and PUT has a file to refuse as well.
                assert answer.status_code in (404, 405, 422), (method, route, text)
                assert "nobody's business" not in answer.text
    assert started(seen) == []
    assert written(seen, tmp_path / "service") == []
    assert not [path for _, path in seen if str(aim) in path]


@pytest.mark.parametrize("name", ["Idempotency-Key", "Last-Event-ID", "X-Request-Id"])
def test_no_header_starts_a_process_or_opens_a_file(live, aim, tmp_path, name):
    live.runtime.rates = type(live.runtime.rates)(10_000)
    task = live.create()
    live.wait(task["id"], "completed")
    with watched() as seen:
        for text in CORPUS.values():
            value = text.format(aim=aim).encode("utf-8", "surrogatepass")
            if not re.search(rb"[\x00-\x1f\x7f]|^ | $", value):  # what a client can send
                answer = live.http.get(f"/v1/tasks/{task['id']}/events", headers={name.encode(): value})
                assert answer.status_code in (200, 400, 422), text
    assert started(seen) == []
    assert written(seen, tmp_path / "service") == []


def test_a_problem_statement_is_only_ever_a_text(serving, project, aim, script):
    live = serving(repositories={"abacus": project}, requests_per_minute=10_000, queue_tasks=1_000)
    body = {"repository": "abacus", "commit": git(project, "rev-parse", "HEAD")}
    with watched() as seen:
        for text in CORPUS.values():
            answer = post(live, {**body, "problem_statement": text.format(aim=aim)})
            assert answer.status_code in (202, 422), text
    assert not [each for each in seen if str(aim) in each[1]]
