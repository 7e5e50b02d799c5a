"""What the official harness takes though `git apply` refuses it, on a clean tree each time."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swebench.errors import GitFailed, PatchDoesNotApply
from swebench.patches.lenient import apply_as_harness
from swebench.patches.trees import Scratch
from swebench.patches.validity import check_patch
from tests.swebench.conftest import CALC, FIX, commit, opened, run_git

FIXED = CALC["calc.py"].replace("a - b", "a + b")
FUZZY, THREE_WAY = "patch --fuzz=5", "git apply --3way"


@pytest.fixture
def repository(make_repository):
    folder, base = make_repository({**CALC, "other.py": "one = 1\ntwo = 2\nthree = 3\n"})
    return opened(folder), base


def made(repository, patch):
    """The command that took a patch, and what it made of the files that it changed."""
    git, base = repository
    with Scratch(git, base) as scratch:
        applied = apply_as_harness(scratch, patch, scratch.base)
        changes = scratch.changes(scratch.base, applied.tree)
        contents = scratch.blobs([change.new_blob for change in changes])
        return applied.command, {c.path: data.decode() for c, data in zip(changes, contents, strict=True)}


LENIENT = {
    "carriage returns": FIX.replace("\n", "\r\n"),
    "no last newline": FIX.replace("\n \n", "\n \n \n def double(a):").replace("-1,3 +1,3", "-1,5 +1,5"),
    "blanks in the context": FIX.replace("def add(a, b):", "def add(a, b):  "),
    "another line before": FIX.replace(" def add(a, b)", " def add(x, y)"),
}


@pytest.mark.parametrize("patch", LENIENT.values(), ids=LENIENT.keys())
def test_what_only_gnu_patch_takes_is_taken_and_named(repository, patch):
    assert made(repository, patch) == (FUZZY, {"calc.py": FIXED})
    checked = check_patch(*repository, patch)
    assert not checked.applies and not checked.valid and checked.lenient == FUZZY
    assert f"the official harness takes it by `{FUZZY}`" in checked.problems[0]


def test_a_patch_that_git_takes_is_not_called_lenient(repository):
    assert made(repository, FIX) == ("git apply", {"calc.py": FIXED})
    assert check_patch(*repository, FIX).lenient == ""


def test_a_patch_of_a_neighbouring_commit_is_merged_where_its_blobs_are_there(repository):
    git, _ = repository
    folder = git.directory.parent
    commit(folder, {"calc.py": CALC["calc.py"].replace("a - b", "a - b  # wrong")})
    commit(folder, {"calc.py": FIXED.replace("a + b", "a + b  # wrong").replace("2 * a", "a * 2")})
    patch = run_git(folder, "diff", "--full-index", "HEAD~1", "HEAD") + "\n"
    later = commit(folder, {"calc.py": CALC["calc.py"].replace("a - b", "a - b  # wrong") + "\n\nlast = 1\n"})
    command, files = made((git, later), patch.replace(" \n \n def", " \n+\n \n def").replace("-1,6", "-1,6"))
    assert command in {THREE_WAY, FUZZY} and "a + b  # wrong" in files["calc.py"]


def test_an_attempt_leaves_nothing_for_the_next(repository):
    """The chain of swebench 4.1.0 took the first file's change back: its attempts shared one tree."""
    second = "--- a/other.py\n+++ b/other.py\n@@ -1,3 +1,3 @@\n one = 1\n-two = 2\n+two = 22\n three = 3  \n"
    command, files = made(repository, FIX + second)
    assert command == FUZZY
    assert files == {"calc.py": FIXED, "other.py": "one = 1\ntwo = 22\nthree = 3\n"}


def test_files_that_come_and_go_do_so_leniently_too(repository):
    new = "--- /dev/null\n+++ b/pkg/new.py\n@@ -0,0 +1 @@\n+x = 1\n"
    gone = "--- a/other.py\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one = 1\n-two = 2\n-three = 3\n"
    git, base = repository
    with Scratch(git, base) as scratch:
        applied = apply_as_harness(scratch, (new + gone).replace("\n", "\r\n"), scratch.base)
        changes = {c.path: c.new_mode for c in scratch.changes(scratch.base, applied.tree)}
    assert applied.command == FUZZY and changes == {"pkg/new.py": "100644", "other.py": "000000"}


@pytest.mark.parametrize(
    "patch",
    [
        "fix it please",
        FIX.replace("a - b", "a * b"),
        "1a\nx\n.\n!touch owned\n",
        FIX.replace("a/calc.py", "a/../../calc.py").replace("\n", "\r\n"),
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n"
        + LENIENT["blanks in the context"],
        FIX.replace("b/calc.py", "/calc.py").replace("\n", "\r\n"),
    ],
)
def test_what_the_harness_refuses_or_what_leaves_the_tree_is_refused(repository, patch):
    with pytest.raises(PatchDoesNotApply):
        made(repository, patch)
    assert check_patch(*repository, patch).lenient == ""


def test_without_gnu_patch_the_reason_says_what_is_not_known(repository, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    checked = check_patch(*repository, LENIENT["carriage returns"])
    assert not checked.applies and "GNU patch" in checked.problems[0]


@pytest.fixture
def damaged(repository):
    """A repository that lacks the blob of calc.py."""
    git, base = repository
    blob = run_git(git.directory.parent, "rev-parse", "HEAD:calc.py")
    (git.directory / "objects" / blob[:2] / blob[2:]).unlink()
    return git, base


def test_an_object_that_is_missing_is_not_the_fault_of_the_patch(damaged):
    with pytest.raises(GitFailed, match="fetch --refetch"):
        check_patch(*damaged, FIX)


def test_a_patch_of_other_files_is_checked_in_a_clone_that_lacks_objects(damaged):
    patch = "--- a/other.py\n+++ b/other.py\n@@ -1,3 +1,3 @@\n one = 1\n-two = 2\n+two = 22\n three = 3\n"
    assert check_patch(*damaged, patch).valid


def test_a_partial_clone_is_not_the_fault_of_the_patch_and_fetches_nothing(repository, tmp_path):
    git, base = repository
    folder = git.directory.parent
    run_git(folder, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    run_git(folder, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{folder}", str(partial))
    with pytest.raises(GitFailed, match="fetch --refetch --no-filter"):
        check_patch(opened(partial), base, FIX)
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(
        ["git", "-C", str(partial), "fetch", "-q", "--refetch", "--no-filter"], check=True, env=environment
    )
    assert check_patch(opened(partial), base, FIX).valid


def test_an_object_that_is_corrupt_is_not_the_fault_of_the_patch(repository):
    git, base = repository
    blob = run_git(git.directory.parent, "rev-parse", "HEAD:calc.py")
    path = git.directory / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(b"junk")
    with pytest.raises(GitFailed):
        check_patch(git, base, FIX)


def test_a_repository_of_sha256_ids_is_checked_like_any_other(tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    run_git(folder, "init", "-q", "--object-format=sha256")
    base = commit(folder, CALC)
    assert len(base) == 64 and check_patch(opened(folder), base, FIX).valid
    assert check_patch(opened(folder), base, LENIENT["carriage returns"]).lenient == FUZZY


CHAIN = (
    ["git", "apply", "--verbose"],
    ["git", "apply", "--verbose", "--3way"],
    ["git", "apply", "--verbose", "--reject"],
    ["patch", "--batch", "--forward", "--fuzz=5", "-p1", "-i"],
)
"""As swebench 5.0.2 has it, which cleans the tree before each but the first."""


def as_the_harness_does(folder: Path, patch: str) -> dict[str, bytes] | None:
    """The files after the official harness's own commands; None where it gives up."""
    file = folder.parent / "patch.diff"
    file.write_bytes(patch.encode())
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = None
    for command in CHAIN:
        run_git(folder, "reset", "-q", "--hard")
        run_git(folder, "clean", "-qfd")
        done = subprocess.run(
            [*command, str(file)], cwd=folder, capture_output=True, env=environment, check=False
        )
        if done.returncode == 0:
            break
    inside = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in inside if path.suffix != ".orig"}
    return None if done is None or done.returncode else kept


TWO = FIX + "--- a/other.py\n+++ b/other.py\n@@ -1,3 +1,3 @@\n one = 1\n-two = 2\n+two = 22\n three = 3\n"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mangled_patch_becomes_what_the_harness_makes_of_it(repository, data):
    git, base = repository
    patch = TWO
    for _ in range(data.draw(st.integers(1, 3))):
        old = data.draw(
            st.sampled_from(["\n", " one", "three", " \n", "two = 2\n", "-1,3", "def", "a, b", "@@", "+"])
        )
        new = data.draw(st.sampled_from(["\r\n", "\n", "", " ", "x", old + old, "\t"]))
        patch = patch.replace(old, new, data.draw(st.integers(-1, 2)))
    wanted = as_the_harness_does(git.directory.parent, patch)
    with Scratch(git, base) as scratch:
        try:
            tree = apply_as_harness(scratch, patch, scratch.base).tree
        except PatchDoesNotApply:
            assert wanted is None
            return
        entries = list(scratch.entries(tree))
        found = dict(zip([e.path for e in entries], scratch.blobs([e.blob for e in entries]), strict=True))
    assert found == wanted


def test_text_from_json_stays_what_it_was(repository):
    patch = json.loads(json.dumps(LENIENT["carriage returns"]))
    assert made(repository, patch)[0] == FUZZY
