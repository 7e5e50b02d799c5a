"""The ranking of tests that a task's candidates are tried on."""

import pytest

from orchestrator.task.jobs import Job
from orchestrator.task.nearest import nearest_tests
from retrieval.search import Retriever
from retrieval.store import RepoStore
from swebench.data.tasks import Task
from swebench.patches.diffs import unified_diff
from tests.swebench.conftest import make_repository  # noqa: F401  (a fixture)

SOURCE = "def gross(price):\n    return price\n"
FILES = {
    "shop/prices.py": SOURCE,
    "tests/test_prices.py": "from shop.prices import gross\n",
    "tests/test_members.py": "def test_discount_of_members(): ...\n",
}


@pytest.mark.parametrize(
    ("issue", "first"),
    [("Wrong amount", "tests/test_prices.py"), ("No discount of members", "tests/test_members.py")],
)
def test_issue_and_patch_both_count(make_repository, tmp_path, issue, first):  # noqa: F811
    folder, base = make_repository(FILES)
    repository = RepoStore.local(folder)
    job = Job(Task("shop-1", "local/shop", base, issue), repository, base, "local", "")
    near = nearest_tests(job, Retriever(repository, tmp_path / "cache"))
    assert near(unified_diff("shop/prices.py", SOURCE, SOURCE.replace("price\n", "price * 2\n")))[0] == first
    assert "tests/test_members.py" in near("no diff at all") or issue == "Wrong amount"
