"""What shows a task's fault: the code of its issue, or tests of the repository that fail."""

import re

from orchestrator.events import TestsFound
from orchestrator.task.jobs import Job
from retrieval.paths import is_test
from retrieval.search import Retriever
from swebench.grading.project_tests import ProjectTests
from swebench.grading.suites import TestBed
from swebench.running.agreeing import Agreeing
from swebench.running.fault import Fault, FirstUsable
from swebench.running.reproduction import Reproduction

TIMEOUT_S = 20.0
MOST_TESTS = 40


def fault_of(job: Job, retriever: Retriever, test_bed: TestBed) -> Fault:
    """What is to be run; nothing is before it is asked what it shows.

    The environment of a data set's task is made by the test bed; raises what that raises.
    """
    code = _issue_code(job, retriever, test_bed)
    if job.tests is None:
        return code
    named, failing = failing_tests_of(job.task.problem_statement, job.tests.baseline.failing)
    tests = job.tests.failing_tests(failing, TIMEOUT_S)
    if not failing:
        return code
    return FirstUsable((tests, code)) if named else Agreeing(code, tests)


def failing_tests_of(issue: str, failing: tuple[str, ...]) -> tuple[bool, list[str]]:
    """The failing tests that an issue names, or else all, those first that share most words with it.

    Says beside whether it names any.
    """
    words = set(re.findall(r"\w+", issue.lower()))
    named = [test for test in failing if _function(test).lower() in words]

    def shared(test: str) -> int:
        return len(words & set(re.split(r"[\W_]+", test.lower())))

    return bool(named), named or sorted(failing, key=shared, reverse=True)[:MOST_TESTS]


def tests_found(tests: ProjectTests) -> TestsFound:
    """What is told of a repository's own tests before the work begins."""
    found = tests.baseline
    return TestsFound(
        command=tests.command.text,
        origin=tests.command.origin,
        place=tests.place,
        passing=len(found.passing),
        failing=list(found.failing[:MOST_TESTS]),
        flaky=list(found.flaky[:MOST_TESTS]),
        seconds=found.seconds,
    )


def _function(test: str) -> str:
    """The function of a test by its name of pytest (file::class::function[parameters]) or unittest."""
    return re.split(r"[\[( \n]", test.split("[", maxsplit=1)[0].rpartition("::")[2])[0]


def _issue_code(job: Job, retriever: Retriever, test_bed: TestBed) -> Reproduction:
    repository, commit = job.repository, job.commit
    inside = f"{repository.folder}/" if repository.folder else ""

    def module(path: str) -> str:
        path = path.removeprefix(inside).removeprefix("src/")
        return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def defined(name: str) -> str | None:
        index = retriever.index(commit)
        holding = [index.paths[file] for file in index.defined_in.get(name, ())]
        return module(holding[0]) if len(holding) == 1 and not is_test(holding[0]) else None

    packages = [
        module(file.path)
        for file in repository.files(commit)
        if file.path.removeprefix(inside).removeprefix("src/").count("/") == 1
        and file.path.endswith("/__init__.py")
        and not is_test(file.path)
    ]
    within = job.tests.within if job.tests else test_bed.surroundings(job.task, repository.git)
    issue = job.task.problem_statement
    return Reproduction(issue, repository.git, commit, packages, TIMEOUT_S, defined, within)
