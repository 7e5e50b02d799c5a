"""What of a working tree no commit holds: told by name, without running what the repository names."""

import pytest

from retrieval.errors import GitFailed
from retrieval.gitio import git_at
from retrieval.uncommitted import uncommitted


@pytest.fixture
def work(workshop):
    work = workshop()
    work.commit({"a.py": "x = 1\n", "b.py": "y = 1\n", "notes.txt": "n\n", ".gitignore": "made/\n"})
    return work


def found(work, *paths):
    return uncommitted(git_at(work.folder), work.folder, paths)


def test_a_clean_tree_has_none(work):
    assert found(work) == []


def test_what_is_changed_staged_gone_or_new_is_named(work):
    (work.folder / "a.py").write_text("x = 2\n")
    (work.folder / "b.py").unlink()
    (work.folder / "notes.txt").write_text("more\n")
    work.git("add", "notes.txt")
    (work.folder / "tests").mkdir()
    (work.folder / "tests" / "test_new.py").write_text("def test_it(): assert 0\n")
    assert sorted(found(work)) == ["a.py", "b.py", "notes.txt", "tests/test_new.py"]
    assert found(work, "b.py") == ["b.py"]


def test_a_renamed_file_counts_under_both_its_names(work):
    work.git("mv", "a.py", "c.py")
    assert sorted(found(work)) == ["a.py", "c.py"]


def test_new_files_that_are_ignored_no_source_or_of_an_environment_do_not_count(work):
    for path in ("made/x.py", "runs/patch.diff", ".venv/lib/python3.11/site-packages/p.py"):
        (work.folder / path).parent.mkdir(parents=True)
        (work.folder / path).write_text("")
    assert found(work) == []


def test_programs_that_the_repository_names_are_not_run(work, tmp_path):
    work.commit({".gitattributes": "*.py filter=a=b\n"})
    for name in ("clean", "process", "smudge"):
        work.git("config", f"filter.a=b.{name}", f"touch {tmp_path}/ran")
    work.git("config", "filter.a=b.required", "true")
    work.git("config", "core.fsmonitor", f"touch {tmp_path}/ran")
    (work.folder / "a.py").write_text("x = 2\n")
    assert found(work) == ["a.py"]
    assert not (tmp_path / "ran").exists()


def test_a_broken_index_is_said(work):
    (work.folder / ".git" / "index").write_bytes(b"no index")
    with pytest.raises(GitFailed, match="git status in"):
        found(work)
