"""The code of a task's issue on the task's repository: which names it may use, and how long it may run."""

from retrieval.paths import is_test
from retrieval.search import Retriever
from retrieval.store import Repository
from swebench.data.tasks import Task
from swebench.grading.suites import TestBed
from swebench.running.reproduction import Reproduction

TIMEOUT_S = 20.0


def reproduction_of(
    task: Task, commit: str, repository: Repository, retriever: Retriever, test_bed: TestBed
) -> Reproduction:
    """The issue's own code; nothing runs before it is asked what it shows.

    The task's environment is made by the test bed; raises what that raises.
    """

    def defined(name: str) -> str | None:
        index = retriever.index(commit)
        holding = [index.paths[file] for file in index.defined_in.get(name, ())]
        return _module(holding[0]) if len(holding) == 1 and not is_test(holding[0]) else None

    packages = [
        _module(file.path)
        for file in repository.files(commit)
        if file.path.removeprefix("src/").count("/") == 1
        and file.path.endswith("/__init__.py")
        and not is_test(file.path)
    ]
    within = test_bed.surroundings(task, repository.git)
    return Reproduction(task.problem_statement, repository.git, commit, packages, TIMEOUT_S, defined, within)


def _module(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
