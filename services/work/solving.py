"""A task of the store as a run of the orchestrator, in a folder of the task's own."""

import asyncio
from pathlib import Path

from orchestrator.events import EmitTask
from orchestrator.session import Session
from orchestrator.task.solve import solve
from services.store.records import StoredTask
from services.store.telling import ModelIdentity, TaskResult
from services.work.inputs import Inputs


def folder_of(data: Path, task: StoredTask) -> Path:
    """Where a task's artifacts are; its id is the server's own, so it names a folder."""
    return data / "tasks" / task.id


class Solver:
    """Runs the graph; a task that ran before goes on after its last finished node."""

    def __init__(self, session: Session, inputs: Inputs, data: Path) -> None:
        self._session, self._inputs, self._data = session, inputs, data

    async def __call__(self, task: StoredTask, emit: EmitTask) -> TaskResult:
        """Solve a task. Raises what the orchestrator raises."""
        job, config = await asyncio.to_thread(self._inputs.job, task.owner, task.request)
        result = await solve(job, self._session, config, folder_of(self._data, task), fresh=False, emit=emit)
        model = self._session.model
        return TaskResult(
            status=result.status,
            patch=result.patch,
            applies=result.applies,
            parses=result.parses,
            files=result.files,
            nodes=result.nodes,
            reason=result.reason,
            model=ModelIdentity(id=model.model_id, revision=model.revision, digest=model.digest),
        )
