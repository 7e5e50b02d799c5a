"""A task of the store as a run of the orchestrator, in a folder of the task's own."""

import asyncio
from pathlib import Path
from typing import Any

from orchestrator.events import Emit
from orchestrator.solve import solve
from orchestrator.workbench import Workbench
from services.inputs import Inputs
from services.store.records import StoredTask


def folder_of(data: Path, task: StoredTask) -> Path:
    """Where a task's artifacts are; its id is the server's own, so it names a folder."""
    return data / "tasks" / task.id


class Solver:
    """Runs the graph; a task that ran before goes on after its last finished node."""

    def __init__(self, bench: Workbench, inputs: Inputs, data: Path) -> None:
        self._bench, self._inputs, self._data = bench, inputs, data

    async def __call__(self, task: StoredTask, emit: Emit) -> dict[str, Any]:
        """Solve a task. Raises what the orchestrator raises."""
        job, config = await asyncio.to_thread(self._inputs.job, task.request)
        result = await solve(job, self._bench, config, folder_of(self._data, task), fresh=False, emit=emit)
        model = self._bench.model
        return {
            "status": result.status,
            "patch": result.patch,
            "applies": result.applies,
            "parses": result.parses,
            "files": result.files,
            "nodes": result.nodes,
            "model": {"id": model.model_id, "revision": model.revision, "digest": model.digest},
        }
