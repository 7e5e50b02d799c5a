"""Real repositories for the tests of this room."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.gitio import Git, git_at
from swebench.data.tasks import Instance
from swebench.running.runner import Surroundings

HERE = Surroundings((Path(sys.executable).parent,), variables={"PYTHONDONTWRITEBYTECODE": "1"})
"""The environment that the tests themselves run in."""

Files = dict[str, str | bytes]


def run_git(folder: Path, *arguments: str) -> str:
    """Plain git, as a user would run it, with a fixed author and no configuration of the machine's."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": "a@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def write_files(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def commit(folder: Path, files: Files, message: str = "change") -> str:
    """Write files, commit everything, return the commit id."""
    write_files(folder, files)
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return run_git(folder, "rev-parse", "HEAD")


def opened(folder: Path) -> Git:
    """The repository of a folder, as the composition hands it in."""
    git = git_at(folder)
    assert git is not None
    return git


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[[Files], tuple[Path, str]]:
    """Makes a repository of one commit; returns its working tree and the commit id."""

    def make(files: Files) -> tuple[Path, str]:
        folder = tmp_path / "repository"
        folder.mkdir()
        run_git(folder, "init", "--quiet", "--initial-branch=main")
        return folder, commit(folder, files)

    return make


CALC: Files = {
    "calc.py": "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return 2 * a\n",
    "tests/test_calc.py": "from calc import double\n\n\ndef test_double():\n    assert double(3) == 6\n",
}
FIX = (
    "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1,3 +1,3 @@\n def add(a, b):\n"
    "-    return a - b\n+    return a + b\n \n"
)
HIDDEN_TESTS = (
    "diff --git a/tests/test_calc.py b/tests/test_calc.py\n"
    "--- a/tests/test_calc.py\n+++ b/tests/test_calc.py\n"
    "@@ -1,5 +1,9 @@\n-from calc import double\n+from calc import add, double\n"
    " \n \n def test_double():\n     assert double(3) == 6\n"
    "+\n+\n+def test_add():\n+    assert add(1, 2) == 3\n"
)


def calc_row(base_commit: str, **columns: object) -> dict[str, object]:
    """A row of a one-bug repository, in SWE-bench's old layout."""
    return {
        "instance_id": "acme__calc-1",
        "repo": "acme/calc",
        "base_commit": base_commit,
        "problem_statement": "add() subtracts",
        "patch": FIX,
        "test_patch": HIDDEN_TESTS,
        "FAIL_TO_PASS": '["tests/test_calc.py::test_add"]',
        "PASS_TO_PASS": '["tests/test_calc.py::test_double"]',
        "test_cmd": "python -m pytest -rA -p no:cacheprovider",
        "log_parser": "pytest",
        **columns,
    }


@pytest.fixture
def calc(make_repository: Callable[[Files], tuple[Path, str]]) -> tuple[Git, Instance]:
    """A repository with one bug, and its instance."""
    folder, base = make_repository(CALC)
    return opened(folder), Instance.from_row(calc_row(base))
