"""The existing tests that a candidate is tried on: those nearest to the task's issue and to the change."""

from collections.abc import Sequence

from orchestrator.task.jobs import Job
from retrieval.search import Retriever
from swebench.errors import InvalidTask
from swebench.grading.suites import Nearest
from swebench.patches.changed import changed_lines


def nearest_tests(job: Job, retriever: Retriever) -> Nearest:
    """Ranks test files of the job's base commit for a patch."""

    def near(patch: str) -> Sequence[str]:
        try:
            changed = changed_lines(patch)
        except InvalidTask:  # what git reads of it is still near to the issue
            changed = {}
        return retriever.nearest_tests.rank(job.commit, job.task.problem_statement, changed)

    return near
