"""A process that has imported everything and forks a server for each line on its standard input.

A server that is killed is so replaced within a second, and fifty kills take minutes, not an hour. It never
computes with torch itself, because what has computed cannot be forked.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers  # noqa: F401

import orchestrator.task.solve  # noqa: F401
import vectors.domains.library
import vectors.engine.engine
import vectors.models.loading  # noqa: F401
from orchestrator.events import EmitTask, NodeFinished, NodeStarted, Tokens
from orchestrator.session import Session
from orchestrator.settings import Settings
from services.connections import listen
from services.server import ENGINE_NICENESS, make_server
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.services.conftest import RESULT
from tests.services.load.held import hold


def main() -> None:
    """Fork for each order, and answer with the process id; end with the input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _serve(json.loads(line))
            os._exit(0)
        print(process, flush=True)


def _serve(order: dict[str, Any]) -> None:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    machine = Settings(model=order["model"], cache=Path(order["cache"]), dtype="float32")
    settings = ServeSettings.model_validate(order["serve"])
    if order["scripted"]:
        hold(Path(order["gate"]).exists, pytest.MonkeyPatch())
    with Session(machine, progress=lambda *_: None, niceness=ENGINE_NICENESS) as session:
        runtime = Runtime(session, settings, solve=_paced if order["scripted"] else None)
        server = make_server(runtime)
        runtime.start(on_failure=lambda: os._exit(1))
        server.run(sockets=[listen("127.0.0.1", settings.port)])


async def _paced(task: Any, emit: EmitTask) -> dict[str, Any]:
    """What a task does where its own work is not the matter: three nodes, fifteen texts, half a second."""
    for node in ("code_reading", "bug_analysis", "patch_writing"):
        emit(NodeStarted(node=node))
        for number in range(1, 6):
            emit(Tokens(node=node, count=number, text=f"{task.id}:{number}\n"))
            await asyncio.sleep(0.03)
        emit(NodeFinished(node=node, seconds=0.15))
    return RESULT


if __name__ == "__main__":
    main()
