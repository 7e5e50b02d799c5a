"""What cannot be repaired is said in plain words, in place of a patch of some other file."""

import sys

import pytest

from orchestrator.records import Candidate
from orchestrator.task.obstacles import none_passed, obstacle
from retrieval.search import Retriever
from retrieval.store import RepoStore
from swebench.patches.edits import Region
from tests.orchestrator.conftest import git

PYTHON_2 = "def show(value):\n    print value\n"


@pytest.fixture
def told(project, tmp_path):
    """What stands against an issue, once some files are committed."""

    def found(issue, files):
        for name, content in files.items():
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        git(project, "add", "-A")
        git(project, "commit", "-qm", "more", "--allow-empty")
        repository = RepoStore.local(project)
        commit = repository.resolve("HEAD")
        retriever = Retriever(repository, tmp_path / "cache")
        hits = [hit.path for hit in retriever.search(commit, issue).hits]
        return obstacle(repository, commit, issue, retriever.index(commit), hits)

    return found


def test_nothing_stands_against_an_issue_about_python_that_is_read(told):
    assert told("mean() of an empty list fails, see abacus/calc.py", {}) == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PYTHON_2, "reads like Python 2"),
        ("def show(value):\n    return (value\n", "'(' was never closed"),
        (b"NAME = 'caf\xe9'\ndef show(value): pass\n", "not text in UTF-8 or in the encoding it declares"),
        ("return 1\n", "outside function"),
    ],
)
@pytest.mark.parametrize(
    "issue",
    [
        "show() fails in abacus/old.py",
        'File "/usr/lib/abacus/old.py", line 2, in show\nTypeError',
        "abacus.old.show fails",
    ],
)
def test_a_file_that_the_issue_names_and_python_does_not_read_is_the_reason(told, content, words, issue):
    reason = told(issue, {"abacus/old.py": content})
    assert "abacus/old.py" in reason and words in reason


def test_a_named_file_that_is_not_read_beside_one_that_is_stops_nothing(told):
    issue = "mean() of an empty list fails in abacus/calc.py; abacus/old.py calls mean"
    assert told(issue, {"abacus/old.py": PYTHON_2}) == ""


def test_what_the_issue_calls_is_looked_at_where_it_names_no_file(told):
    reason = told("show(3) prints 4, and not 3", {"abacus/old.py": PYTHON_2})
    assert "abacus/old.py" in reason and "Python 2" in reason


def test_a_repository_of_python_2_is_told_as_such_though_the_issue_names_no_file(told, project):
    for name in ("calc.py", "text.py", "__init__.py"):
        (project / "abacus" / name).write_text(PYTHON_2)
    reason = told("show prints too much", {})
    assert "none of the 3 files" in reason and "Python 2" in reason
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in reason


SCRIPT = "export function formatDate(value) {\n  return new Date(value).toISOString();\n}\n"
JAVASCRIPT = {f"src/part{n}.js": f"export const part{n} = {n};\n" for n in range(5)} | {
    "src/format.js": SCRIPT
}


@pytest.mark.parametrize(
    ("issue", "words"),
    [
        (
            "formatDate in src/format.js throws a RangeError",
            "the issue names src/format.js, which is JavaScript",
        ),
        ("formatDate() throws RangeError for an empty value", "reads most like src/format.js"),
        (
            "formatDate throws\n    at formatDate (/app/src/format.js:2:10)",
            "src/format.js, which is JavaScript",
        ),
    ],
)
def test_a_fault_in_another_language_is_told_as_such(told, issue, words):
    assert words in told(issue, JAVASCRIPT)


def test_an_issue_about_the_python_of_a_project_in_another_language_is_worked_on(told):
    assert told("mean() of an empty list fails: ZeroDivisionError", JAVASCRIPT) == ""
    assert told("calc.py and src/format.js disagree", JAVASCRIPT) == ""


def test_in_a_python_project_a_script_that_is_not_named_stops_nothing(told):
    assert told("the width of shorten is off by one", {"docs/app.js": SCRIPT, "a.css": ""}) == ""


def test_the_end_without_a_patch_says_what_spoke_against_the_candidates():
    region = Region("a.py", 1, 1)
    verdicts = ["does_not_parse"] * 3 + ["undefined_name"] * 2 + ["no_op"]
    reason = none_passed(Candidate(region=region, verdict=verdict) for verdict in verdicts)
    assert reason.startswith(
        "none of 6 candidates passed validation (3 × does not parse, 2 × undefined name, 1 "
    )
    assert none_passed([]).startswith("no candidate was made")
