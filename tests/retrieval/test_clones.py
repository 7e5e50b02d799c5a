"""Every kind of clone: what is there is worked from, what is not is named with the command that mends it."""

import os
import re
import shlex
import subprocess

import pytest

from retrieval.errors import CommitMissing, NotHere, RepositoryUnavailable
from retrieval.search import Retriever
from retrieval.store import RepoStore

FILES = {
    "pkg/__init__.py": "",
    "pkg/sums.py": "def total(a):\n    return a\n",
    "tools/run.py": "def run(): pass\n",
}


@pytest.fixture
def origin(workshop):
    work = workshop("origin")
    work.commit(FILES, "first")
    work.commit({"pkg/sums.py": "def total(a):\n    return a + 1\n"}, "second")
    work.git("config", "uploadpack.allowFilter", "true")
    work.git("config", "uploadpack.allowAnySHA1InWant", "true")
    return work


def clone(origin, folder, *options):
    origin.git("clone", "-q", *options, f"file://{origin.folder}", str(folder))
    return RepoStore.local(folder)


def run_command_of(message):
    """Run what the message says, as a user would."""
    command = shlex.split(re.search(r"git -C .*", message).group())
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": "/nonexistent"}
    subprocess.run(command, check=True, capture_output=True, env=environment)


@pytest.mark.parametrize(
    "options",
    [
        ["--filter=blob:none", "--no-checkout"],
        ["--filter=tree:0", "--bare"],
        ["--filter=blob:none", "--bare"],
    ],
)
def test_a_partial_clone_names_itself_and_the_command_that_mends_it(origin, tmp_path, options):
    repository = clone(origin, tmp_path / "partial", *options)
    with pytest.raises(NotHere, match="partial clone") as raised:
        repository.text("HEAD", "pkg/sums.py")
    run_command_of(str(raised.value))
    assert "a + 1" in RepoStore.local(tmp_path / "partial").text("HEAD", "pkg/sums.py")


def test_what_a_sparse_partial_clone_holds_is_searched_and_the_rest_comes_later(origin, tmp_path):
    repository = clone(origin, tmp_path / "sparse", "--filter=blob:none", "--sparse")
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": "/nonexistent"}
    narrow = ["git", "-C", str(tmp_path / "sparse"), "sparse-checkout", "set", "tools"]
    subprocess.run(narrow, check=True, env=environment, capture_output=True)
    sizes = {file.path: file.size for file in repository.files("HEAD")}
    assert sizes["tools/run.py"] and sizes["pkg/sums.py"] is None
    assert repository.text("HEAD", "tools/run.py") == FILES["tools/run.py"]
    assert Retriever(repository, tmp_path / "cache").search("HEAD", "run() fails").hits
    with pytest.raises(NotHere) as raised:
        repository.text("HEAD", "pkg/sums.py")
    run_command_of(str(raised.value))
    found = Retriever(RepoStore.local(tmp_path / "sparse"), tmp_path / "cache").search(
        "HEAD", "total() fails"
    )
    assert found.definitions[0].name == "total"


def test_a_damaged_clone_is_read_where_it_is_whole_and_mended_by_its_command(origin, tmp_path):
    repository = clone(origin, tmp_path / "damaged")
    packed = next((tmp_path / "damaged/.git/objects/pack").glob("*.pack")).rename(tmp_path / "all.pack")
    for rest in (tmp_path / "damaged/.git/objects/pack").iterdir():
        rest.unlink()
    with packed.open("rb") as objects:
        repository.git.run("unpack-objects", "-q", stdin=objects.read())
    blob = repository.git("rev-parse", "HEAD:pkg/sums.py").decode().strip()
    (tmp_path / "damaged/.git/objects" / blob[:2] / blob[2:]).unlink()
    assert repository.text("HEAD", "tools/run.py") == FILES["tools/run.py"]
    with pytest.raises(NotHere, match="damaged") as raised:
        repository.text("HEAD", "pkg/sums.py")
    run_command_of(str(raised.value))
    assert "a + 1" in RepoStore.local(tmp_path / "damaged").text("HEAD", "pkg/sums.py")


def test_a_shallow_clone_works_at_its_commit_and_says_how_to_reach_an_older_one(origin, tmp_path):
    older = origin.git("rev-parse", "HEAD~1")
    repository = clone(origin, tmp_path / "shallow", "--depth", "1")
    assert Retriever(repository, tmp_path / "cache").search("HEAD", "total() fails").hits
    with pytest.raises(CommitMissing, match="shallow clone") as raised:
        repository.resolve(older)
    run_command_of(str(raised.value))
    assert repository.resolve(older) == older


def test_a_clone_whose_alternate_is_gone_names_it(origin, tmp_path):
    whole = clone(origin, tmp_path / "whole")
    origin.git("clone", "-q", "--shared", str(tmp_path / "whole"), str(tmp_path / "borrower"))
    repository = RepoStore.local(tmp_path / "borrower")
    assert repository.text("HEAD", "tools/run.py") == FILES["tools/run.py"]
    (tmp_path / "whole").rename(tmp_path / "moved")
    with pytest.raises((CommitMissing, NotHere), match=re.escape(str(whole.git.directory))):
        RepoStore.local(tmp_path / "borrower").text("HEAD", "tools/run.py")


def test_a_worktree_a_submodule_and_a_detached_head_are_read_like_any_other(origin, workshop, tmp_path):
    outer = workshop("outer")
    outer.commit({"a.py": "x = 1\n"})
    outer.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{origin.folder}", "inner"
    )
    outer.commit({})
    assert RepoStore.local(outer.folder / "inner").text("HEAD", "tools/run.py") == FILES["tools/run.py"]
    assert [file.path for file in outer.repository().files("HEAD") if file.path.endswith(".py")] == ["a.py"]
    origin.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "HEAD~1")
    assert "a + 1" not in RepoStore.local(tmp_path / "linked").text("HEAD", "pkg/sums.py")
    origin.git("checkout", "-q", "HEAD~1")
    assert "a + 1" not in origin.repository().text("HEAD", "pkg/sums.py")


@pytest.mark.parametrize("staged", [False, True])
def test_a_repository_without_a_commit_says_so(workshop, staged):
    work = workshop("empty")
    (work.folder / "a.py").write_text("x = 1\n")
    if staged:
        work.git("add", "a.py")
    with pytest.raises(CommitMissing, match="nothing was committed there yet: git add --all && git commit"):
        work.repository().resolve("HEAD")


def test_a_branch_without_a_commit_beside_others_is_not_called_empty(origin):
    origin.git("checkout", "-q", "--orphan", "fresh")
    with pytest.raises(CommitMissing) as raised:
        origin.repository().resolve("HEAD")
    assert "nothing was committed" not in str(raised.value)


def test_a_folder_that_cannot_be_opened_says_why(origin, workshop, tmp_path):
    outer = workshop("outer")
    outer.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{origin.folder}", "inner"
    )
    outer.commit({})
    outer.git("clone", "-q", str(outer.folder), str(tmp_path / "again"))
    with pytest.raises(RepositoryUnavailable, match="again submodule update --init"):
        RepoStore.local(tmp_path / "again" / "inner")
    with pytest.raises(RepositoryUnavailable, match=re.escape(f"part of the repository {origin.folder}")):
        RepoStore.local(origin.folder / "pkg")
    origin.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (origin.folder / ".git").rename(tmp_path / "elsewhere")
    with pytest.raises(RepositoryUnavailable, match="not a git repository"):
        RepoStore.local(tmp_path / "linked")
    with pytest.raises(RepositoryUnavailable, match="there is none"):
        RepoStore.local(tmp_path)
