"""Test files ranked on real repositories."""

import threading

import pytest

from retrieval.paths import is_test_module
from retrieval.search import Retriever

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "VAT = 0.2\n\n\ndef gross(price):\n    return price * VAT\n",
    "shop/basket.py": "def total(items):\n    return sum(items)\n",
    "tests/test_prices.py": "from shop.prices import gross\n\n\ndef test_gross():\n    assert gross(1)\n",
    "tests/test_basket.py": "import shop.basket\n\n\ndef test_total():\n    assert shop.basket.total([1])\n",
    "tests/checkout/tests.py": "class CheckoutTests:\n    def test_discount_of_members(self): ...\n",
    "tests/helpers.py": "from shop.prices import gross\n",
    "tests/test_other.py": "import json\n",
    "docs/conf.py": "project = 'shop'\n",
}


@pytest.fixture
def near(workshop, tmp_path):
    def ask(issue, changed, files=FILES, *, later=None):
        made = workshop()
        made.commit(files, "start")
        sha = made.commit(later or {}, "more")
        return Retriever(made.repository(), tmp_path / "cache").nearest_tests.rank(sha, issue, changed)

    return ask


def test_tests_that_speak_of_the_changed_file_and_function_come_first(near):
    found = near("Wrong amount", {"shop/prices.py": [5]})
    assert found[0] == "tests/test_prices.py"
    assert "tests/helpers.py" not in found, "no runner takes that for tests"


def test_what_the_issue_says_counts_beside_the_change(near):
    assert near("A discount of members is lost", {"shop/prices.py": []})[0] == "tests/checkout/tests.py"


def test_tests_that_were_changed_together_with_the_file_are_near_though_no_word_is_shared(near):
    together = {"docs/conf.py": "project = 'Shop'\n", "tests/test_other.py": "import json, sys\n"}
    assert near("?", {"docs/conf.py": [1]}, later=together)[0] == "tests/test_other.py"


def test_commits_after_the_base_commit_are_not_looked_at(workshop, tmp_path):
    made = workshop()
    base = made.commit(FILES, "start")
    made.commit({"shop/prices.py": "VAT = 1\n", "tests/test_other.py": "VAT = 2\n"}, "prices")
    retriever = Retriever(made.repository(), tmp_path / "cache")
    assert "tests/test_other.py" not in retriever.nearest_tests.rank(base, "VAT", {"shop/prices.py": [1]})[:1]
    assert retriever.nearest_tests.rank(base, "zebra", {"docs/none.py": [1]}) == []


def test_a_repository_without_tests_has_none_near(near):
    assert near("gross", {"shop/prices.py": [5]}, {"shop/prices.py": "VAT = 1\n"}) == []


def test_threads_get_the_same_answer(workshop, tmp_path):
    made = workshop()
    base = made.commit(FILES)
    retriever = Retriever(made.repository(), tmp_path / "cache")
    answers = []

    def ask():
        answers.append(retriever.nearest_tests.rank(base, "gross", {"shop/prices.py": [5]}))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 and all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("tests/test_x.py", True),
        ("pkg/x_test.py", True),
        ("tests/delete/tests.py", True),
        ("tests/delete/models.py", False),
        ("tests/conftest.py", False),
        ("pkg/contest.py", False),
        ("tests/test_x.txt", False),
    ],
)
def test_what_runners_take_for_tests_is_told_by_the_name(path, is_one):
    assert is_test_module(path) is is_one
