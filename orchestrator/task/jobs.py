"""From what a user names to a job that can be run: an instance of a data set, or a repository with a problem.

Everything that can be wrong with the input is found here, before a model is loaded or a file is written.
"""

import hashlib
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.plugins import load_instances
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.fewshot import refuse_too_many
from orchestrator.task.own_code import AS_FOUND, HowTested, project_tests
from orchestrator.task.planted import ready
from retrieval.store import Repository, RepoStore
from swebench.data.tasks import Task
from swebench.grading.project_tests import ProjectTests
from swebench.grading.verdicts import ensure_gradeable

_log = logging.getLogger(__name__)
LOCAL = "local"
"""In the place of a data set's name, for a problem on a repository of one's own."""
PROBLEM_BYTES = 1 << 20


@dataclass(frozen=True)
class OwnProblem:
    """A problem statement in a file, on a repository of the user's own or a sub-folder (`subdir`) of it."""

    repository: Path
    problem: Path
    commit: str = "HEAD"
    subdir: str = ""
    testing: HowTested = AS_FOUND


@dataclass(frozen=True)
class Job:
    """A task with the repository and the full commit id it was checked against.

    `source` is where the data set came from, with revision and split. What the engine computes for it is
    reused for jobs of the same `owner` alone.
    """

    task: Task
    repository: Repository
    commit: str
    dataset: str
    dataset_fingerprint: str
    owner: str = ""
    source: str = ""
    tests: ProjectTests | None = None
    """The tests of one's own repository, where they may be run."""


def instance_job(
    session: Session, config: RunConfig, dataset: str, instance_id: str, *, to_grade: bool = False
) -> Job:
    """The job of an instance. Its gold columns stay behind here: whoever grades reads them again, afterwards.

    Raises UnknownInstance, RepositoryUnavailable, CommitMissing, NoPythonFiles, NotGradeable, ConfigError,
    and to run tests or to grade EnvironmentUnavailable.
    """
    found = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
    instance = ready(session, found.get(instance_id))
    if to_grade:
        ensure_gradeable(instance)
    job = task_job(session, config, instance.task, found.name, found.fingerprint, to_grade=to_grade)
    return replace(job, source=found.source)


def task_job(
    session: Session,
    config: RunConfig,
    task: Task,
    dataset: str,
    fingerprint: str,
    *,
    to_grade: bool = False,
) -> Job:
    """The job of a task of a data set that is loaded already.

    Raises RepositoryUnavailable, CommitMissing, NoPythonFiles, ConfigError, and to run tests or to
    grade EnvironmentUnavailable.
    """
    repository = session.store.open(task.repo)
    _log.info("%s is in %s", task.repo, repository.git.directory)
    job = _job(repository, task, config, dataset, fingerprint)
    if config.run_tests or (to_grade and task.test_cmd):
        # Made now, so that what the machine lacks is told before a model is loaded.
        session.test_bed.surroundings(task, repository.git)
    return job


def local_job(session: Session, config: RunConfig, own: OwnProblem) -> Job:
    """The job of a problem statement in a file, on a repository of the user's own.

    Raises ConfigError for a problem file that is too large or not UTF-8, and as `statement_job` does.
    """
    statement = _read_problem(own.problem)
    return statement_job(session, config, own.repository, statement, own.commit, own.subdir, own.testing)


def statement_job(
    session: Session,
    config: RunConfig,
    folder: Path,
    statement: str,
    commit: str,
    subdir: str = "",
    testing: HowTested = AS_FOUND,
) -> Job:
    """The job of a problem statement on a repository of this machine, or on a sub-folder of it.

    Raises RepositoryUnavailable, CommitMissing, NoPythonFiles, ConfigError, and to run tests what
    `project_tests` raises.
    """
    repository = RepoStore.local(folder, subdir)
    base = repository.resolve(commit)
    digest = hashlib.sha256("\0".join([base, subdir, statement]).encode()).hexdigest()
    name = re.sub(r"[^\w.-]+", "-", folder.resolve().name).strip(".-") or "repository"
    task = Task(
        instance_id=f"{name[:100]}-{digest[:8]}",
        repo=f"local/{name}",
        base_commit=base,
        problem_statement=statement,
    )
    job = _job(repository, task, config, LOCAL, digest)
    if not config.run_tests:
        return job
    return replace(job, tests=project_tests(session, repository, base, testing))


def _job(repository: Repository, task: Task, config: RunConfig, dataset: str, fingerprint: str) -> Job:
    refuse_too_many(config.few_shot)
    from retrieval.index import source_files

    commit = repository.resolve(task.base_commit)
    sources = source_files(repository, commit)
    if lacking := sum(file.size is None for file in sources):
        _log.warning(
            "%s: %d of its %d Python files are not in this clone and are passed over; %s",
            repository.name, lacking, len(sources), repository.mending,
        )  # fmt: skip
    if config.run_tests and dataset != LOCAL and not (task.test_cmd or task.version):
        raise ConfigError(
            f"--run-tests: {task.instance_id} has neither a test_cmd nor a version of SWE-bench, "
            "so its existing tests cannot be run here: leave the flag out"
        )
    return Job(task, repository, commit, dataset, fingerprint)


def _read_problem(path: Path) -> str:
    size = path.stat().st_size
    if size > PROBLEM_BYTES:
        raise ConfigError(
            f"{path} has {size} bytes: a problem statement may have {PROBLEM_BYTES}; shorten it"
        )
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
