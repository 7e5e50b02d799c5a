"""What tasks there are, and what a task asks for, without its gold patch and its hidden tests."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.plugins import load_instances
from orchestrator.settings import Settings
from retrieval.errors import BadRepositoryName
from retrieval.gitio import Git
from retrieval.store import RepoStore
from retrieval.titles import title_of
from swebench.data.bundles import ensure_repositories
from swebench.data.tasks import Instance, Task
from swebench.errors import NotGradeable
from swebench.grading.verdicts import ensure_gradeable

_MOST_CHARS = 200


@dataclass(frozen=True)
class Listed:
    """One task of a data set; `here` says whether its repository is on this machine, so not to be cloned."""

    instance_id: str
    title: str
    repo: str
    here: bool


@dataclass(frozen=True)
class Shown:
    """One task with its issue, and how many hidden tests judge it.

    `not_gradeable` is why its hidden tests cannot be run on this machine, "" where they can.
    """

    task: Task
    title: str
    dataset: str
    repository: Path | None
    fail_to_pass: int
    pass_to_pass: int
    not_gradeable: str


def list_tasks(settings: Settings, dataset: str, limit: int | None = None) -> list[Listed]:
    """The tasks of a data set, in its order. Raises what `load_instances` raises."""
    found = load_instances(dataset, cache=settings.cache)
    places = _Places(settings)
    return [
        Listed(name, _title(each.task), each.repo, places.of(each.repo) is not None)
        for name, each in list(found.instances.items())[:limit]
    ]


def show_task(settings: Settings, dataset: str, instance_id: str) -> Shown:
    """One task. Raises UnknownInstance, and what `load_instances` raises."""
    found = load_instances(dataset, cache=settings.cache)
    instance = found.get(instance_id)
    return Shown(
        task=instance.task,
        title=_title(instance.task),
        dataset=found.name,
        repository=_Places(settings).of(instance.repo),
        fail_to_pass=len(instance.fail_to_pass),
        pass_to_pass=len(instance.pass_to_pass),
        not_gradeable=_not_gradeable(instance),
    )


def _title(task: Task) -> str:
    title = title_of(task.problem_statement)
    return title if len(title) <= _MOST_CHARS else title[: _MOST_CHARS - 1] + "…"


class _Places:
    """Where repositories lie on this machine; each is looked for once."""

    def __init__(self, settings: Settings) -> None:
        mirrors = [settings.repos] if settings.repos else []
        bundled = ensure_repositories(settings.cache, Git)
        self._store = RepoStore([*mirrors, bundled], settings.cache / "repos")
        self._found: dict[str, Path | None] = {}

    def of(self, repo: str) -> Path | None:
        if repo not in self._found:
            try:
                found = self._store.find(repo)
            except BadRepositoryName:  # a name that no folder can have
                found = None
            self._found[repo] = found.git.directory if found else None
        return self._found[repo]


def _not_gradeable(instance: Instance) -> str:
    try:
        ensure_gradeable(instance)
    except NotGradeable as error:
        return str(error).removeprefix(f"{instance.instance_id}: ")
    return ""
