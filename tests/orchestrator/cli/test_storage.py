"""Folders that are full, read-only or in the way: one line each; a complete cache need not be written to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.batch.batches import make_tasks

_MOUNTING = 'mount -t tmpfs -o "$1" none "$0" || exit 99; shift; exec "$@"'
_BINDING = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 99; shift; exec "$@"'
_UNSHARED = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    """A test that mounts something needs a place where that is seen by nobody else."""
    try:
        subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not make namespaces")


def run(*arguments, before=(), cache, stdout=subprocess.PIPE):
    """A command's exit code, stdout and what it says on stderr, without progress."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "orchestrator", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"ORCHESTRATE_CACHE": str(cache)},
        check=False,
    )
    assert done.returncode != 99, "nothing could be mounted"
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr.splitlines()


def full(folder):
    """A command's folder has room for next to nothing."""
    return [*_UNSHARED, _MOUNTING, folder, "size=4k"]


def read_only(folder):
    """A command can read a folder."""
    return [*_UNSHARED, _BINDING, folder, ""]


@pytest.fixture
def solve(tmp_path, tiny_model):
    tasks = make_tasks(tmp_path / "data")
    named = ("--dataset", tasks, "--repos", tasks.parent / "repos", "--model", tiny_model)
    return ("solve", "local__abacus-0", *named, "--samples", 1, "--edits", 0)


@pytest.mark.parametrize(
    ("state", "code", "why"), [(full, 1, "full"), (read_only, 2, "Read-only file system")]
)
def test_the_folder_of_a_store_is_named_in_one_line(tmp_path, state, code, why):
    folder = tmp_path / "service"
    folder.mkdir()
    found, _, said = run(
        "keys", "create", "--name", "a", "--data", folder, before=state(folder), cache=tmp_path
    )
    assert found in (1, code)
    assert len(said) == 1
    assert said[0].startswith(f"orchestrate: the store {folder}/store.sqlite cannot be opened: ")
    assert why in said[0]


def test_output_that_cannot_be_written_is_told_once(tmp_path):
    with Path("/dev/full").open("w") as nowhere:
        code, _, said = run("tasks", "list", stdout=nowhere, cache=tmp_path)
    assert (code, said) == (1, ["orchestrate: No space left on device"])


@pytest.mark.slow
@pytest.mark.parametrize(("state", "code"), [(full, 1), (read_only, 2)])
def test_an_out_folder_that_takes_nothing_is_told_in_one_line(solve, tmp_path, state, code):
    out = tmp_path / "out"
    out.mkdir()
    found, printed, said = run(*solve, "--out", out, before=state(out), cache=tmp_path / "cache")
    assert (found, printed) == (code, "")
    assert said[-1].startswith("orchestrate: ")
    assert sum(line.startswith("orchestrate: ") for line in said) == 1


@pytest.mark.slow
def test_a_shared_cache_that_is_complete_may_be_read_only(solve, tmp_path):
    cache = tmp_path / "cache"
    wanted = run(*solve, "--out", tmp_path / "first", cache=cache)[:2]
    found = run(*solve, "--out", tmp_path / "second", before=read_only(cache), cache=cache)[:2]
    assert found == (wanted[0], wanted[1].replace("first", "second"))
    for path in cache.rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, path  # others may read what is shared


def test_a_file_in_the_way_of_a_cache_is_named(solve, tmp_path):
    (tmp_path / "cache").write_text("")
    code, _, said = run(*solve, cache=tmp_path / "cache")
    assert code == 2
    assert str(tmp_path / "cache") in said[-1]
