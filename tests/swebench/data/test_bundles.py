import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.gitio import Git
from swebench.data.bundles import BUNDLED, ensure_repositories
from swebench.data.loading import load_instances
from swebench.errors import GitFailed
from swebench.grading.verdicts import certify
from swebench.patches.validity import check_patch
from tests.swebench.conftest import run_git

INSTANCES = load_instances("bundled").instances


@pytest.fixture(scope="module")
def repositories(tmp_path_factory) -> Path:
    return ensure_repositories(tmp_path_factory.mktemp("cache"), Git)


def folder_of(repositories: Path, instance_id: str) -> Path:
    return repositories / f"{INSTANCES[instance_id].repo.replace('/', '__')}.git"


def test_there_are_at_least_twelve_tasks_over_three_packages():
    assert len(INSTANCES) >= 12
    assert len({instance.repo for instance in INSTANCES.values()}) >= 3


def test_the_repositories_are_bare_and_hold_every_base_commit(repositories):
    for instance_id, instance in INSTANCES.items():
        folder = folder_of(repositories, instance_id)
        assert run_git(folder, "rev-parse", "--is-bare-repository") == "true"
        assert (
            run_git(folder, "rev-parse", f"{instance.task.base_commit}^{{commit}}")
            == instance.task.base_commit
        )


def test_the_repositories_are_made_once(repositories):
    before = {path: path.stat().st_mtime_ns for path in repositories.rglob("*")}
    assert ensure_repositories(repositories.parent.parent, Git) == repositories
    assert {path: path.stat().st_mtime_ns for path in repositories.rglob("*")} == before


def stream_of(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stream = (
        "blob\nmark :1\ndata {size}\n{text}\nreset refs/heads/main\ncommit refs/heads/main\nmark :2\n"
        "author A <a@example.org> 1700000000 +0000\ncommitter A <a@example.org> 1700000000 +0000\n"
        "data 5\nfirst\nM 100644 :1 a.py\n\n"
    )
    (folder / "history.fast-export").write_text(stream.format(size=len(text), text=text))


def test_a_new_history_makes_new_repositories_beside_the_old(tmp_path):
    bundled, cache = tmp_path / "bundled", tmp_path / "cache"
    stream_of(bundled / "acme__one", "x = 1\n")
    old = ensure_repositories(cache, Git, bundled)
    stream_of(bundled / "acme__one", "x = 2\n")
    new = ensure_repositories(cache, Git, bundled)
    assert new != old
    assert run_git(old / "acme__one.git", "show", "main:a.py") == "x = 1"
    assert run_git(new / "acme__one.git", "show", "HEAD:a.py") == "x = 2"


def test_many_at_once_make_one_complete_folder(tmp_path):
    stream_of(tmp_path / "bundled" / "acme__one", "x = 1\n")
    with ThreadPoolExecutor(8) as pool:
        made = set(
            pool.map(lambda _: ensure_repositories(tmp_path / "cache", Git, tmp_path / "bundled"), range(8))
        )
    (folder,) = made
    assert run_git(folder / "acme__one.git", "show", "HEAD:a.py") == "x = 1"
    assert {path.name for path in folder.parent.iterdir()} <= {folder.name, ".lock"}


def test_a_damaged_history_leaves_no_folder(tmp_path):
    stream_of(tmp_path / "bundled" / "acme__one", "x = 1\n")
    stream = tmp_path / "bundled" / "acme__one" / "history.fast-export"
    stream.write_text(stream.read_text()[:-60] + "nonsense\n")
    with pytest.raises(GitFailed, match="damaged"):
        ensure_repositories(tmp_path / "cache", Git, tmp_path / "bundled")
    assert not [path for path in (tmp_path / "cache" / "bundled").iterdir() if path.is_dir()]


@pytest.mark.parametrize("instance_id", INSTANCES)
def test_every_bundled_task_is_certified(repositories, instance_id, test_bed):
    certificate = certify(
        INSTANCES[instance_id], Git(folder_of(repositories, instance_id)), test_bed=test_bed
    )
    assert certificate.gold_resolves, certificate.gold.reason
    assert certificate.empty_fails, certificate.empty.reason


@pytest.mark.parametrize("instance_id", INSTANCES)
def test_every_bundled_gold_patch_is_valid_and_leaves_the_tests_alone(repositories, instance_id):
    instance = INSTANCES[instance_id]
    checked = check_patch(
        Git(folder_of(repositories, instance_id)), instance.task.base_commit, instance.patch
    )
    assert checked.valid, checked.problems
    assert not any(path.startswith("tests/") for path in checked.files)


@pytest.mark.parametrize("instance_id", INSTANCES)
def test_no_problem_statement_holds_a_line_of_its_fix(instance_id):
    instance = INSTANCES[instance_id]
    added = [
        line[1:].strip() for line in instance.patch.splitlines() if line.startswith("+") and line[:3] != "+++"
    ]
    assert not [line for line in added if len(line) > 12 and line in instance.task.problem_statement]


def test_a_package_holds_text_alone():
    for path in BUNDLED.rglob("*"):
        if path.is_file():
            assert b"\0" not in path.read_bytes(), path
            assert path.name in {"history.fast-export", "tasks.jsonl"}


def test_git_can_read_what_was_made(repositories):
    for folder in repositories.iterdir():
        subprocess.run(["git", "-C", str(folder), "fsck", "--strict"], check=True, capture_output=True)
