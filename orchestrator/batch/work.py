"""One unit of a batch, whoever does it: its result, or why it failed. A failure here never ends the batch."""

import asyncio
import traceback
from pathlib import Path

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from orchestrator.batch.units import Unit
from orchestrator.errors import OrchestratorError
from orchestrator.events import EmitTask
from orchestrator.records import Result
from orchestrator.session import Session
from orchestrator.task.artifacts import Artifacts
from orchestrator.task.jobs import task_job
from orchestrator.task.solve import claimed, run_task
from retrieval.errors import RetrievalError
from swebench.errors import SwebenchError
from vectors.errors import VectorsError

_OWN = (OrchestratorError, RetrievalError, SwebenchError, VectorsError)


async def work(
    session: Session,
    unit: Unit,
    out: Path,
    saver: AsyncSqliteSaver,
    *,
    timeout_s: float | None,
    emit: EmitTask,
) -> Result:
    """Run a unit in the folder `out`; returns its result, of status "failed" with a reason where it failed.

    An error that nobody raised on purpose leaves its traceback in the instance's error.txt.
    """
    run, task = unit.run, unit.task
    try:
        async with asyncio.timeout(timeout_s) as limit:
            with claimed(out, task.instance_id):
                job = await asyncio.to_thread(
                    task_job, session, run.config, task, run.dataset, run.fingerprint
                )
                return await run_task(job, session, run.config, out, saver, fresh=False, emit=emit)
    except Exception as error:  # whatever it is, the other instances go on
        if isinstance(error, TimeoutError) and limit.expired():
            return failed(unit.task.instance_id, out, f"not done within {timeout_s:g} s (--timeout)")
        if isinstance(error, _OWN):
            return failed(unit.task.instance_id, out, str(error.args[0] if error.args else error))
        Artifacts(out, task.instance_id).write("error.txt", traceback.format_exc())
        return failed(unit.task.instance_id, out, f"{type(error).__name__}: {error}; see error.txt")


def failed(name: str, out: Path, reason: str) -> Result:
    """The result of an instance that failed, with the reason in one line."""
    return Result(
        instance_id=name,
        status="failed",
        artifacts=str(out / name),
        reason=" ".join(reason.split())[:1000],
    )
