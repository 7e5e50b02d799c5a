"""One task from what a user names to its result on disk: what `solve` does.

What is heavy is imported once the task is known to be possible, so that a wrong name is told at once; the
model is loaded meanwhile.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.events import EmitTask
from orchestrator.plugins import load_instances
from orchestrator.records import Graded, Result
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.artifacts import Artifacts
from orchestrator.task.jobs import LOCAL, Job, OwnProblem, instance_job, local_job
from orchestrator.task.run_names import default_folder
from retrieval.errors import GitFailed
from retrieval.store import RepoStore
from retrieval.uncommitted import uncommitted
from vectors.models.checkpoints import garbage_kept

_log = logging.getLogger(__name__)


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


def unseen_files(asked: Named | OwnProblem) -> list[str] | None:
    """The files of a working tree of the user's own whose changes are in no commit; None where there is none.

    Raises RepositoryUnavailable.
    """
    if isinstance(asked, Named):
        return None
    repository = RepoStore.local(asked.repository)
    if repository.checkout is None:
        return None
    try:
        return uncommitted(repository.git, repository.checkout)
    except GitFailed as failed:  # a note less, where all that is read is in commits
        _log.warning("%s", failed)
        return None


def solve_one(
    session: Session,
    config: RunConfig,
    job: Job,
    asked: Named | OwnProblem,
    out: Path | None = None,
    unseen: Sequence[str] | None = None,
    *,
    fresh: bool = False,
    emit: EmitTask,
) -> Result:
    """Solve a job in the folder `out`, or in the run's own below that of all runs, and grade it if asked.

    `unseen` is what `unseen_files` found, which the result counts.
    Raises what `solve` raises.
    """
    session.open_ahead()
    with garbage_kept():
        from orchestrator.task.solve import solve

    out = out or session.settings.runs / _folder(job, session.settings.model, config)
    result = asyncio.run(solve(job, session, config, out, fresh=fresh, emit=emit))
    more: dict[str, object] = {"uncommitted": None if unseen is None else len(unseen)}
    if isinstance(asked, Named) and asked.grade and result.patch:
        more["graded"] = _graded(session, asked, result)
    result = result.model_copy(update=more)
    Artifacts(out, result.instance_id).write_record("result.json", result)
    return result


def _folder(job: Job, model: str, config: RunConfig) -> Path:
    """A run's own folder; for each problem on a repository of one's own, which is no part of a data set."""
    if job.dataset != LOCAL:
        return default_folder(job.dataset, model, config)
    name = f"{job.task.instance_id}-{job.tests.digest[:8]}" if job.tests else job.task.instance_id
    return Path(LOCAL) / default_folder(name, model, config)


def _graded(session: Session, asked: Named, result: Result) -> Graded:
    from orchestrator.task.verdict import verdict_on

    found = load_instances(asked.dataset, cache=session.settings.cache, progress=session.progress)
    verdict = verdict_on(session, found.get(asked.instance_id), result.patch)
    return verdict.model_copy(update={"backend": "local"})
