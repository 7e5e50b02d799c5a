"""One runner for all of git: what it lets through, and how it says what failed."""

import pytest

from retrieval.errors import GitFailed
from retrieval.gitio import Git, environment, git_at


@pytest.fixture
def git(workshop):
    work = workshop()
    work.commit({"a.py": "x = 1\n"})
    return git_at(work.folder)


def test_a_command_gets_nothing_of_the_users_and_a_clone_what_it_takes_to_connect(monkeypatch):
    for name in ("GIT_DIR", "GIT_SSL_CAINFO", "HTTPS_PROXY", "PAGER"):
        monkeypatch.setenv(name, "theirs")
    theirs = [name for name, value in environment().items() if value == "theirs"]
    assert theirs == []
    assert {name for name, value in environment("https").items() if value == "theirs"} == {
        "GIT_SSL_CAINFO",
        "HTTPS_PROXY",
        "PAGER",
    }


@pytest.mark.parametrize("setting", ["protocol.allow", "protocol.file.allow"])
def test_no_transport_is_open_to_a_command_whatever_the_repository_allows(git, setting):
    git("config", setting, "always")
    done = git.run("fetch", f"file://{git.directory}")
    assert done.returncode != 0
    assert b"transport 'file' not allowed" in done.stderr


def test_a_failure_is_in_the_answer_of_run_and_raised_by_a_call(git):
    assert git.run("cat-file", "-e", "HEAD:missing").returncode != 0
    with pytest.raises(GitFailed, match=r"git rev-parse on .*\.git failed: fatal: Needed a single revision"):
        git("rev-parse", "--verify", "missing")


def test_git_that_takes_too_long_or_has_no_folder_says_so_in_one_line(git, tmp_path):
    with pytest.raises(GitFailed, match=r"took over 0\.001 s"):
        git("-c", "alias.wait=!sleep 5", "wait", timeout_s=0.001)
    with pytest.raises(GitFailed, match="nowhere: No such file"):
        Git(tmp_path / "nowhere")("status")


def test_without_git_on_the_path_the_message_says_to_install_it(git, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for use in (lambda: git("status"), lambda: git_at(git.directory)):
        with pytest.raises(GitFailed, match="git: No such file or directory; install git"):
            use()
