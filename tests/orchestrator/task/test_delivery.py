"""Where a patch goes that was found: a working tree, a branch, a mail, and nowhere without being asked."""

import subprocess

import pytest

from orchestrator.errors import ConfigError
from orchestrator.records import Result
from orchestrator.task.delivery import Delivery, check_ahead, deliver, mail
from orchestrator.task.jobs import Job
from retrieval.store import RepoStore
from swebench.data.tasks import Task
from swebench.patches.diffs import unified_diff
from tests.orchestrator.conftest import CALC, PROBLEM, git

PATH = "abacus/calc.py"
FIXED = CALC.replace("total / len(values)", "total / len(values) if values else 0")
PATCH = unified_diff(PATH, CALC, FIXED)
RESULT = Result(instance_id="abacus-1", status="patched", patch=PATCH, files=(PATH,))
TITLE = "mean() of an empty list fails"


@pytest.fixture(autouse=True)
def who(monkeypatch, tmp_path):
    """The user's own configuration of git."""
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Grace Hopper\n\temail = grace@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


def job(folder, commit="HEAD"):
    repository = RepoStore.local(folder)
    base = repository.resolve(commit)
    task = Task(instance_id="abacus-1", repo="local/abacus", base_commit=base, problem_statement=PROBLEM)
    return Job(task, repository, base, "local", "")


def state(folder):
    return git(folder, "status", "--porcelain"), git(folder, "for-each-ref"), (folder / PATH).read_text()


def test_nothing_is_touched_where_nothing_is_asked(project):
    before = state(project)
    check_ahead(job(project), Delivery())
    assert deliver(job(project), Delivery(), RESULT) == []
    assert state(project) == before


def test_a_patch_is_applied_to_the_working_tree_and_other_changes_stay(project):
    (project / "abacus" / "text.py").write_text("# mine\n")
    said = deliver(job(project), Delivery(apply=True), RESULT)
    assert (project / PATH).read_text() == FIXED
    assert (project / "abacus" / "text.py").read_text() == "# mine\n"
    assert str(project) in said[0] and PATH in said[0]
    assert git(project, "log", "--format=%s").splitlines() == ["Words", "Averages"]


@pytest.mark.parametrize("staged", [False, True])
def test_a_file_with_changes_of_ones_own_is_left_as_it_is(project, staged):
    mine = CALC + "# mine\n"
    (project / PATH).write_text(mine)
    if staged:
        git(project, "add", "-A")
    with pytest.raises(ConfigError, match=r"calc\.py has changes that are not committed"):
        deliver(job(project), Delivery(apply=True), RESULT)
    assert (project / PATH).read_text() == mine


def test_a_working_tree_at_another_commit_takes_the_patch_only_where_it_applies(project):
    base = git(project, "rev-parse", "HEAD")
    (project / PATH).write_text("def other():\n    pass\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Another")
    with pytest.raises(ConfigError, match="does not apply"):
        deliver(job(project, base), Delivery(apply=True), RESULT)
    assert git(project, "status", "--porcelain") == ""


def test_a_branch_gets_one_commit_with_the_issues_title_by_the_user(project):
    before = state(project)
    head = git(project, "rev-parse", "HEAD")
    said = deliver(job(project), Delivery(branch="fix/mean"), RESULT)
    assert git(project, "log", "-1", "--format=%s|%an|%ae|%cn|%P", "fix/mean") == (
        f"{TITLE}|Grace Hopper|grace@example.org|Grace Hopper|{head}"
    )
    assert git(project, "show", f"fix/mean:{PATH}") + "\n" == FIXED
    assert "fix/mean" in said[0]
    status, _, text = state(project)
    assert (status, text) == (before[0], before[2])


def test_a_repository_that_says_who_commits_there_is_believed(project):
    git(project, "config", "user.name", "Ada at work")
    deliver(job(project), Delivery(branch="fix"), RESULT)
    assert git(project, "log", "-1", "--format=%an", "fix") == "Ada at work"


@pytest.mark.parametrize("name", ["main", "a..b", "-x", "", "a b", "x.lock"])
def test_a_branch_that_is_there_or_cannot_be_is_refused_before_the_work(project, name):
    with pytest.raises(ConfigError, match="--branch"):
        check_ahead(job(project), Delivery(branch=name))


def test_a_bare_repository_has_no_working_tree_to_apply_to(project, tmp_path):
    git(tmp_path, "clone", "-q", "--bare", str(project), str(tmp_path / "bare.git"))
    with pytest.raises(ConfigError, match="no working tree"):
        check_ahead(job(tmp_path / "bare.git"), Delivery(apply=True))
    deliver(job(tmp_path / "bare.git"), Delivery(branch="fix"), RESULT)
    assert git(tmp_path / "bare.git", "log", "-1", "--format=%s", "fix") == TITLE


def test_nobody_in_gits_configuration_is_told_before_the_work(project, monkeypatch, tmp_path):
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    with pytest.raises(ConfigError, match=r"git config --global user\.name"):
        check_ahead(job(project), Delivery(branch="fix"))


def test_a_mail_is_what_git_am_takes_and_leaves_nothing_behind(project, tmp_path):
    objects = git(project, "count-objects", "-v")
    written = mail(job(project), PATCH)
    assert git(project, "count-objects", "-v") == objects
    done = subprocess.run(["git", "-C", project, "am", "-q"], input=written, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert git(project, "log", "-1", "--format=%s|%an") == f"{TITLE}|Grace Hopper"
    assert (project / PATH).read_text() == FIXED


def test_a_linked_working_tree_is_one_too(project, tmp_path):
    git(project, "worktree", "add", "-q", str(tmp_path / "linked"))
    deliver(job(tmp_path / "linked"), Delivery(apply=True), RESULT)
    assert (tmp_path / "linked" / PATH).read_text() == FIXED
    assert (project / PATH).read_text() == CALC
