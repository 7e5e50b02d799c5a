"""A bundled task from Python: what `orchestrate solve ID` does, with the result as an object."""

import asyncio
import sys
from pathlib import Path

from orchestrator.events import Decided
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.settings import Settings
from orchestrator.task.jobs import instance_job
from orchestrator.task.solve import solve
from vectors.progress import silent

instance_id = sys.argv[1] if len(sys.argv) > 1 else "harborlab__tidetable-23"
config = RunConfig(samples=1, retries=0)


def show(event: object) -> None:
    """Of all events only the decisions: which node was steered, and why."""
    if isinstance(event, Decided):
        print(
            f"{event.node}: {'steered' if event.steering.applied else 'not steered'}, {event.steering.reason}"
        )


with Session(Settings(), progress=silent) as session:
    job = instance_job(session, config, "bundled", instance_id)
    result = asyncio.run(solve(job, session, config, Path("runs/example"), fresh=True, emit=show))

print(result.status, "applies:", result.applies, "parses:", result.parses)
print(result.patch)
