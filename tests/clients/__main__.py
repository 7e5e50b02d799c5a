"""Real clients of OpenAI's API against a real server with the embedded model.

`python -m tests.clients` installs each client into an environment of its own (`--folder` keeps them), has it
talk to `orchestrate serve`, prints what it tried and how that ended, and exits with 1 where something failed;
`--out` writes the same as a file of results. It takes a network the first time, so the suite does without it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

import httpx

from tests.clients.bundled import lay_out
from tests.clients.environments import CLIENTS, Client
from tests.clients.lm_eval_items import compared, write_tasks

TALKS = Path(__file__).parent / "talks"
COLUMNS = ["client", "version", "tried", "what it said"]
_WIDTH = 90


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, str]]:
    """A server with the embedded model in float32: its address, and what the model is called."""
    order = [sys.executable, "-m", "orchestrator", "serve", "--port", "0", "--data", str(folder / "service")]
    more = {"ORCHESTRATE_DTYPE": "float32", "ORCHESTRATE_SERVE__REQUESTS_PER_MINUTE": "1000000"}
    surroundings = {**os.environ, **more}
    log = folder / "server.log"
    with log.open("w") as written, subprocess.Popen(order, stderr=written, env=surroundings) as server:
        try:
            while not (said := log.read_text().split()) and server.poll() is None:
                time.sleep(0.1)
            with httpx.Client(base_url=said[0], timeout=60) as http:
                while http.get("/ready").status_code != 200:
                    time.sleep(0.1)
                yield said[0], http.get("/v1/models").json()["data"][0]["id"]
        finally:
            server.terminate()


def talk(client: Client, python: Path, url: str, model: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """What a client tried, what went wrong (nothing: nothing did), and what it said."""
    more: Sequence[Path] = ()
    if client.name == "mini-swe-agent":
        more = lay_out(folder)
    elif client.name == "lm-eval":
        more = write_tasks(folder)
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    order = [python, TALKS / client.talk, url, model, *more]
    with subprocess.Popen(order, stdout=subprocess.PIPE, text=True, env=surroundings) as talking:
        assert talking.stdout is not None
        for line in talking.stdout:
            if line.startswith('{"tried"'):
                found = json.loads(line)
                yield found["tried"], found.get("error", ""), found.get("said", "")
    if talking.returncode:
        yield "the whole talk", f"it ended with {talking.returncode}", ""
    elif client.name == "lm-eval":
        yield from compared(more[-1])


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CLIENT", help="only these")
    parser.add_argument("--folder", type=Path, default=Path(".clients"))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    clients = [client for client in CLIENTS if not chosen.names or client.name in chosen.names]
    pythons = [client.python(chosen.folder.absolute()) for client in clients]
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # an agent's commands run as nobody
        with serving(folder) as (url, model):
            for client, python in zip(clients, pythons, strict=True):
                for tried, error, said in talk(client, python, url, model, folder):
                    failed += bool(error)
                    shown = " ".join(f"FAILED: {error}".split() if error else said.split())
                    rows.append([client.name, client.version, tried, shown[:_WIDTH]])
                    print(" | ".join(rows[-1]), flush=True)
    print(f"{len(rows)} tried, {failed} failed")
    if chosen.out:
        about = {
            "command": "make clients",
            "date": date.today().isoformat(),
            "model": f"{model}, float32",
            "machine": f"{platform.system()} {platform.machine()}, CPU",
            "versions": {"steered-orchestrator": version("steered-orchestrator")},
        }
        document = {"about": about, "columns": COLUMNS, "rows": rows}
        chosen.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(_main())
