"""What a task may be asked to do: the request's form, and how it becomes a job of the orchestrator.

A request names things, it never brings them: instances and repositories that the operator listed.
"""

import hashlib
import json
import threading
from dataclasses import replace
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from orchestrator.errors import ConfigError
from orchestrator.plugins import load_instances
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.settings import Settings
from orchestrator.task.fewshot import refuse_too_many
from orchestrator.task.jobs import Job, statement_job, task_job
from orchestrator.task.own_code import command_of
from retrieval.errors import RetrievalError
from retrieval.store import RepoStore
from services.alternatives import way
from services.bodies import Body
from services.errors import Invalid
from services.settings import ServeSettings
from services.texts import StoredText
from swebench.data.loading import InstanceSet
from swebench.data.tasks import Instance
from swebench.errors import NoTestCommand
from vectors.suggestions import did_you_mean

BYTES_PER_TOKEN = 4
"""What a token of English or code is taken for where no tokenizer is asked: before the queue."""


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]


class NamedTask(Body):
    """An instance of a data set, or a problem statement on a repository that the operator listed."""

    instance_id: Name | None = None
    dataset: Name = "bundled"
    repository: Name | None = None
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")] | None = None
    problem_statement: Annotated[StoredText, Field(min_length=1, max_length=1 << 19)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        own = (self.repository, self.commit, self.problem_statement)
        if (self.instance_id is None) == (None in own) or (self.instance_id and any(own)):
            raise ValueError(
                "name an instance_id, or a repository with a commit and a problem_statement, and not both"
            )
        return self


class TaskRequest(RunConfig, NamedTask):
    """A task: an instance of a data set, or a problem statement on a repository that the operator listed.

    Beside what is said here it has every field of a run's configuration. A folder of vectors is none of them:
    a path is the operator's to name (`vectors` of the server's own settings).
    """

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "oneOf": [
                way("instance_id", without=("repository", "commit", "problem_statement")),
                way("repository", "commit", "problem_statement", without=("instance_id",)),
            ],
            "examples": [{"instance_id": "harborlab__tidetable-23", "seed": 1}],
        },
    )

    model: Name | None = None
    """The model that has to work on it, for which it waits; by default the one in memory."""

    @property
    def config(self) -> RunConfig:
        """The settings of the run."""
        return RunConfig(**{name: getattr(self, name) for name in RunConfig.model_fields})

    def digest(self) -> str:
        """sha256 of what was asked for, however it was spelt."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


class Inputs:
    """Checks requests before they are queued, and opens what they name when they are run."""

    def __init__(self, machine: Settings, settings: ServeSettings) -> None:
        # A session of its own, whose model is never opened: models come and go.
        self.session, self._settings = Session(machine, progress=lambda *_: None), settings
        self._loaded: dict[str, InstanceSet] = {}
        self._lock = threading.Lock()

    def check(self, request: TaskRequest) -> tuple[str, int]:
        """The name and the weight in tokens of what a request asks for. Blocks; raises Invalid."""
        if request.run_tests and not self._settings.run_tests:
            raise Invalid("run_tests is not allowed on this server: leave it out")
        try:
            refuse_too_many(request.config.few_shot)
        except ConfigError as error:
            raise Invalid(str(error.args[0])) from None
        return self.check_named(request, tested=request.run_tests)

    def check_named(self, named: NamedTask, *, tested: bool = False) -> tuple[str, int]:
        """The same of what is named alone; `tested` says that its tests are to be run."""
        most = self._settings.prompt_tokens
        try:
            if named.instance_id is not None:
                instance = self.instance(named.dataset, named.instance_id)
                name, statement = instance.instance_id, instance.task.problem_statement
            else:
                name, statement = self._own(named, tested)
        except (RetrievalError, LookupError) as error:
            raise Invalid(str(error.args[0])) from None
        tokens = 1 + len(statement.encode()) // BYTES_PER_TOKEN
        if named.problem_statement and tokens > most:
            raise Invalid(f"the problem statement has about {tokens} tokens, at most {most} are taken")
        return name, tokens

    def job(self, owner: str, stored: dict[str, JsonValue]) -> tuple[Job, RunConfig]:
        """The job of a request that was queued. Blocks; raises what the orchestrator raises for it."""
        request = TaskRequest.model_validate(stored)
        job = self.job_of(request, request.config)
        return replace(job, owner=self._settings.sharing(owner)), request.config

    def job_of(self, named: NamedTask, config: RunConfig) -> Job:
        """The job of what is named. Blocks; raises what the orchestrator raises for it."""
        if named.instance_id is not None:
            task = self.instance(named.dataset, named.instance_id).task
            found = self._loaded[named.dataset]
            return task_job(self.session, config, task, found.name, found.fingerprint)
        assert named.repository and named.commit and named.problem_statement
        folder = self._settings.repositories.get(named.repository)
        if folder is None:
            raise Invalid(f"repository {named.repository!r} is not on this server's list any more")
        return statement_job(self.session, config, folder, named.problem_statement, named.commit)

    def instance(self, dataset: str, instance_id: str) -> Instance:
        """An instance of a data set that is served here. Blocks; raises Invalid, UnknownInstance."""
        if dataset not in self._settings.datasets:
            raise Invalid(
                f"data set {dataset!r} is not served here: {', '.join(self._settings.datasets)} are"
                f"{did_you_mean(dataset, self._settings.datasets)}"
            )
        with self._lock:
            if dataset not in self._loaded:
                cache = self.session.settings.cache
                self._loaded[dataset] = load_instances(dataset, cache=cache, progress=self.session.progress)
        return self._loaded[dataset].get(instance_id)

    def _own(self, named: NamedTask, tested: bool) -> tuple[str, str]:
        assert named.repository and named.commit and named.problem_statement
        folder = self._settings.repositories.get(named.repository)
        if folder is None:
            listed = ", ".join(sorted(self._settings.repositories)) or "it is empty"
            near = did_you_mean(named.repository, self._settings.repositories)
            raise Invalid(f"repository {named.repository!r} is not on this server's list ({listed}){near}")
        try:
            repository = RepoStore.local(folder)
            commit = repository.resolve(named.commit)
        except RetrievalError:  # its own words name folders of this machine
            raise Invalid(f"{named.repository} has no commit {named.commit} here") from None
        if tested:
            try:
                command_of(repository, commit)
            except NoTestCommand:  # its own words name flags of a command
                raise Invalid(
                    f"no tests were found in {named.repository} at {named.commit}: leave run_tests out"
                ) from None
        return named.repository, named.problem_statement
