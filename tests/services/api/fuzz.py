"""Schemathesis over the whole OpenAPI document, against a server that listens.

Every answer must be one that the document declares, and none a 5xx. As a program,
`python -m tests.services.api.fuzz --cases 5000 --seed 1` prints what was found; the suite sends fewer cases.
The model is the tiny one with its real engine. Tasks are scripted: it is the API's answers that are held
against its description, and tasks that really run would only make it slower.
"""

import argparse
import json
import logging
import tempfile
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import schemathesis
import structlog
from hypothesis import strategies
from prometheus_client.samples import Sample
from schemathesis.cli import schemathesis as command_line

from orchestrator.errors import ConfigError
from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.orchestrator.conftest import make_tiny_model
from tests.services.api.described import event_validator
from tests.services.conftest import INSTANCE, Live, Script, run, sse, until
from vectors.domains import library

MODEL = "smollm2-135m"
"""What the tiny model is called here, so that the document's own examples ask for it."""
OPERATIONS = 12
"""The cases are divided by this: there are more, but those without parameters use up less than a share."""

# Names that exist, drawn now and then: with random ones alone most routes would only ever answer 404.
CONFIG = """
warnings = false
continue-on-failure = true
cache = {{ enabled = false }}
[dictionaries]
tasks = {{ values = {tasks} }}
runs = {{ values = {runs} }}
batches = {{ values = {batches} }}
models = {{ values = ["{model}"] }}
domains = {{ values = ["code_reading", "mine"] }}
datasets = {{ values = ["bundled"] }}
instances = {{ values = ["{instance}"] }}
cursors = {{ values = ["{cursor}"] }}
[parameters]
"path.task_id" = {{ dictionary = "tasks", probability = 0.7 }}
"path.run_id" = {{ dictionary = "runs", probability = 0.7 }}
"path.batch_id" = {{ dictionary = "batches", probability = 0.7 }}
"path.model" = {{ dictionary = "models", probability = 0.8 }}
"path.domain" = {{ dictionary = "domains", probability = 0.6 }}
"query.instance_id" = {{ dictionary = "instances", probability = 0.5 }}
"query.cursor" = {{ dictionary = "cursors", probability = 0.5 }}
"body.instance_id" = {{ dictionary = "instances", probability = 0.8 }}
"body.dataset" = {{ dictionary = "datasets", probability = 0.9 }}
"body.steering.domain" = {{ dictionary = "domains", probability = 0.8 }}
"body.columns.steering.domain" = {{ dictionary = "domains", probability = 0.8 }}
"body.model" = {{ dictionary = "models", probability = 0.8 }}

# DELETE cancels a task, which stays to be read and resumed.
# A body that is wrong for its many items may be refused for its size before.
[checks]
use_after_free.enabled = false
negative_data_rejection.expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"
]

# A cursor, an instance, a prompt's length and a vector's shape are right or wrong by what is on the server,
# which no schema can say; that they are refused with 400 or 422 is declared.
[[operations]]
include-name = {by_content}
checks.positive_data_acceptance.expected-statuses = [
  "2xx", "400", "401", "403", "404", "409", "415", "422", "429"
]
"""
BY_CONTENT = [
    "GET /v1/tasks",
    "POST /v1/tasks",
    "POST /v1/chat/completions",
    "GET /v1/arena/runs",
    "POST /v1/arena/runs",
    "GET /v1/arena/library",
    "GET /v1/arena/library/dose",
    "GET /v1/arena/batches",
    "POST /v1/arena/batches",
    "POST /v1/completions",
    "POST /v1/responses",
    "POST /tokenize",
    "POST /detokenize",
    "PUT /v1/vectors/{model}/{domain}",
]


def fuzz(live: Live, script: Script, folder: Path, *, cases: int, seed: int, phases: str) -> dict[str, Any]:
    """Send about so many cases to a server; the report's `said` is Schemathesis's own words on failures."""
    _, key = live.runtime.store.keys.create("fuzz")
    headers = {"Authorization": f"Bearer {key}"}
    tasks = []
    for script.error in (None, ConfigError("on purpose")):
        tasks.append(live.create(**headers)["id"])
        live.wait(tasks[-1], "completed", "failed", headers=headers)
    asked = {"prompt": "x", "columns": [{"name": "baseline"}], "max_tokens": 4}
    shown = [live.http.post("/v1/arena/runs", json=asked, headers=headers).json()["id"] for _ in range(4)]
    many = {"prompts": ["x"], "columns": [{"name": "baseline"}], "max_tokens": 4}
    batches = [live.http.post("/v1/arena/batches", json=many, headers=headers).json()["id"] for _ in range(4)]
    page = live.http.get("/v1/tasks", params={"limit": 1}, headers=headers).json()
    (folder / "schemathesis.toml").write_text(
        CONFIG.format(
            tasks=json.dumps(tasks),
            runs=json.dumps(shown),
            batches=json.dumps(batches),
            model=live.runtime.models.target,
            instance=INSTANCE["instance_id"],
            cursor=page["next_cursor"],
            by_content=json.dumps(BY_CONTENT),
        )
    )
    schemathesis.openapi.media_type("application/octet-stream", _files(live, folder))
    said, report = StringIO(), folder / "report.json"
    arguments = [
        *("--config-file", str(folder / "schemathesis.toml"), "run", f"{live.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}", "--phases", phases, "--seed", str(seed)),
        *("--max-examples", str(max(1, cases // OPERATIONS)), "--report-json-path", str(report)),
        # No answer is wrong for being late: ten seconds, the default, are little on a busy machine.
        *("--request-timeout", "600"),
        *("--generation-database", "none", "--no-color", "--output-sanitize", "false"),
    ]
    with chdir(folder), redirect_stdout(said):
        try:
            command_line.main(arguments, standalone_mode=False)
        except SystemExit as ended:
            status = ended.code
    found = json.loads(report.read_text())
    return {
        "exit_code": status,
        "operations": found["operations"],
        "cases": found["test_cases"],
        "failures": found["failures"],
        "errors": found["errors"],
        "answers": answers(live),
        "events": _told(live, headers),
        "said": said.getvalue(),
    }


def answers(live: Live) -> dict[str, dict[str, int]]:
    """How often each route answered with which status, by the server's own count; not methods it lacks."""
    found: dict[str, dict[str, int]] = {}
    samples: list[Sample] = next(iter(live.runtime.metrics.requests.collect())).samples
    for sample in samples:
        if sample.name.endswith("_total") and sample.labels["status"] != "405":
            route = f"{sample.labels['method']} {sample.labels['route']}"
            found.setdefault(route, {})[sample.labels["status"]] = int(sample.value)
    return found


def _told(live: Live, headers: dict[str, str]) -> int:
    """How many events the tasks that were made have told; raises ValidationError for one not described."""
    validator, told = event_validator(live.http), 0
    for task in live.http.get("/v1/tasks", params={"limit": 100}, headers=headers).json()["data"]:
        frames = sse(live.http.get(f"/v1/tasks/{task['id']}/events", headers=headers).text)
        for _, _, data in frames:
            validator.validate(json.loads(data))
        told += len(frames)
    return told


def _files(live: Live, folder: Path) -> strategies.SearchStrategy[bytes]:
    """Bytes that may be uploaded: a vector of the model, parts of it, and anything."""
    session = live.session
    path = folder / "vector.safetensors"
    library.save(session.vectors.get(session.model, "code_reading"), path)
    right = path.read_bytes()
    cut = strategies.integers(0, len(right)).map(lambda size: right[:size])
    return strategies.one_of(strategies.just(right), cut, strategies.binary(max_size=200))


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = Settings(
            model=str(make_tiny_model(folder / MODEL)), cache=folder / "cache", dtype="float32"
        )
        with Session(machine, progress=lambda *_: None) as session:
            settings = ServeSettings(data=folder / "service", requests_per_minute=10**6, drain_s=1)
            script = Script()
            runtime = Runtime(session, settings, solve=script)
            live = run(runtime)
            runtime.start()
            until(lambda: runtime.models.served)
            try:
                report = fuzz(
                    live, script, folder, cases=chosen.cases, seed=chosen.seed, phases=chosen.phases
                )
            finally:
                live.stop()
    said = report.pop("said")
    if report["exit_code"]:
        print(said)
    print(json.dumps(report, indent=1))
    return int(report["exit_code"])


if __name__ == "__main__":
    raise SystemExit(_main())
