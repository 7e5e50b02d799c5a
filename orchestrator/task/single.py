"""One task from what a user names to its result on disk: what `solve` does.

What is heavy is imported once the task is known to be possible, so that a wrong name is told at once; the
model is loaded meanwhile.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from orchestrator.events import EmitTask
from orchestrator.plugins import load_instances
from orchestrator.records import Result
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.artifacts import Artifacts
from orchestrator.task.jobs import LOCAL, Job, OwnProblem, instance_job, local_job
from orchestrator.task.run_names import default_folder
from vectors.models.checkpoints import garbage_kept


@dataclass(frozen=True)
class Named:
    """An instance of a data set; its hidden tests are run on the patch where it is to be graded."""

    dataset: str
    instance_id: str
    grade: bool = False


def job_of(session: Session, config: RunConfig, asked: Named | OwnProblem) -> Job:
    """What is to be worked on; raises what `instance_job` and `local_job` raise for what cannot be done."""
    if isinstance(asked, OwnProblem):
        return local_job(session, config, asked)
    return instance_job(session, config, asked.dataset, asked.instance_id, to_grade=asked.grade)


def solve_one(
    session: Session,
    config: RunConfig,
    job: Job,
    asked: Named | OwnProblem,
    out: Path | None = None,
    *,
    fresh: bool = False,
    emit: EmitTask,
) -> Result:
    """Solve a job in the folder `out`, or in the run's own below that of all runs, and grade it if asked.

    Raises what `solve` raises.
    """
    session.open_ahead()
    with garbage_kept():
        from orchestrator.task.solve import solve

    out = out or session.settings.runs / _folder(job, session.settings.model, config)
    result = asyncio.run(solve(job, session, config, out, fresh=fresh, emit=emit))
    if isinstance(asked, Named) and asked.grade and result.patch:
        result = _graded(session, asked, result)
        Artifacts(out, result.instance_id).write_record("result.json", result)
    return result


def _folder(job: Job, model: str, config: RunConfig) -> Path:
    """A run's own folder; for each problem on a repository of one's own, which is no part of a data set."""
    if job.dataset != LOCAL:
        return default_folder(job.dataset, model, config)
    name = f"{job.task.instance_id}-{job.tests.digest[:8]}" if job.tests else job.task.instance_id
    return Path(LOCAL) / default_folder(name, model, config)


def _graded(session: Session, asked: Named, result: Result) -> Result:
    from orchestrator.task.verdict import verdict_on

    found = load_instances(asked.dataset, cache=session.settings.cache, progress=session.progress)
    verdict = verdict_on(session, found.get(asked.instance_id), result.patch)
    return result.model_copy(update={"graded": verdict.model_copy(update={"backend": "local"})})
