import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import GitFailed as CannotRun
from retrieval.gitio import Git
from swebench.data.loading import load_instances
from swebench.errors import CommitMissing, EnvironmentUnavailable, GitFailed
from swebench.patches.diffs import unified_diff
from swebench.patches.source import fault_by
from swebench.patches.validity import check_patch
from tests.swebench.conftest import CALC, FIX, commit, opened, run_git

SHARED = Path(__file__).parents[4] / "shared"


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    files = (Path(base, name) for base, _, names in os.walk(folder) for name in names)
    return {str(file): file.read_bytes() for file in files if not file.is_symlink()}


def patch_of(path: str, before: str, after: str) -> str:
    return unified_diff(path, before, after)


@pytest.fixture
def repository(make_repository):
    folder, base = make_repository(
        {**CALC, "data/blob.bin": b"\0\1", "old.py": "print 'two'\n", "notes.md": "hello\n"}
    )
    return opened(folder), base


def test_a_sound_patch_is_valid(repository):
    checked = check_patch(*repository, FIX)
    assert checked.valid and checked.applies and checked.parses and not checked.no_op
    assert checked.files == ("calc.py",) and checked.problems == ()


def test_every_way_to_name_a_repository_works(repository, tmp_path):
    git, base = repository
    folder = git.directory.parent
    run_git(folder, "clone", "--quiet", "--bare", str(folder), str(tmp_path / "bare.git"))
    run_git(folder, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    (tmp_path / "link").symlink_to(tmp_path / "bare.git")
    for name in ("repository", "repository/.git", "bare.git", "linked", "link"):
        assert check_patch(opened(tmp_path / name), base, FIX).valid, name


def test_a_shared_clone_whose_objects_are_elsewhere_works(repository, tmp_path):
    git, base = repository
    folder = git.directory.parent
    run_git(folder, "clone", "--quiet", "--shared", "--bare", str(folder), str(tmp_path / "shared: #1.git"))
    assert check_patch(opened(tmp_path / "shared: #1.git"), base, FIX).valid


def test_the_repository_stays_as_it_is(repository):
    git, base = repository
    folder = git.directory.parent
    commit(folder, {"calc.py": "# later\n"})
    (folder / "calc.py").write_text("not even committed")
    before = snapshot(folder)
    assert check_patch(opened(folder), base, FIX).valid
    assert snapshot(folder) == before


def test_only_the_base_commit_counts(repository):
    git, base = repository
    folder = git.directory.parent
    later = commit(folder, {"calc.py": "# moved away\n"})
    assert check_patch(opened(folder), base, FIX).valid
    assert not check_patch(opened(folder), later, FIX).applies


def test_nothing_that_the_repository_configures_is_run(repository, tmp_path):
    git, base = repository
    folder = git.directory.parent
    mark = tmp_path / "was-run"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "pre-commit", "post-applypatch", "fsmonitor-watchman"):
        (hooks / name).write_bytes(program.read_bytes())
        (hooks / name).chmod(0o755)
    for key in (
        "filter.x.clean",
        "filter.x.smudge",
        "core.fsmonitor",
        "core.sshCommand",
        "diff.x.textconv",
        "core.pager",
    ):
        run_git(folder, "config", key, str(program))
    run_git(folder, "config", "core.splitIndex", "true")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    before = snapshot(folder)
    assert check_patch(opened(folder), base, FIX).valid
    assert not mark.exists() and snapshot(folder) == before


@pytest.mark.parametrize(
    "patch", ["", " \n\n", "fix the bug please", "```diff\n-a\n+b\n```", "\ud800", FIX[:-30]]
)
def test_text_that_is_no_patch_does_not_apply(repository, patch):
    checked = check_patch(*repository, patch)
    assert not checked.valid and not checked.applies and len(checked.problems) == 1
    assert (checked.parses, checked.files, checked.no_op) == (False, (), not patch.strip())
    assert "\n" not in checked.problems[0]


def test_a_patch_for_other_lines_does_not_apply_and_says_where(repository):
    checked = check_patch(*repository, FIX.replace("a - b", "a * b"))
    assert not checked.applies and "calc.py" in checked.problems[0]


def test_a_python_file_that_parsed_must_still_parse(repository):
    broken = patch_of("calc.py", CALC["calc.py"], CALC["calc.py"].replace("a - b", "(a - b"))
    checked = check_patch(*repository, broken)
    assert checked.applies and not checked.parses and not checked.valid
    assert "calc.py, line 2" in checked.problems[0]


def test_a_python_file_that_compiled_must_still_compile(repository):
    checked = check_patch(*repository, patch_of("calc.py", CALC["calc.py"], "return 1\n" + CALC["calc.py"]))
    assert checked.applies and not checked.parses and "outside function" in checked.problems[0]


def test_the_python_that_the_repository_runs_on_must_compile_it_too(repository, tmp_path):
    older = tmp_path / "python"
    older.write_text('#!/bin/sh\ngrep -q match && { echo "line 2: too new" >&2; exit 1; }\nexit 0\n')
    older.chmod(0o755)
    matching = CALC["calc.py"].replace(
        "    return a - b", "    match a:\n        case _:\n            return b"
    )
    newer = patch_of("calc.py", CALC["calc.py"], matching)
    assert check_patch(*repository, newer, python=Path(sys.executable)).valid
    checked = check_patch(*repository, newer, python=older)
    assert not checked.parses and "own Python does not compile it: line 2: too new" in checked.problems[0]
    with pytest.raises(EnvironmentUnavailable):
        check_patch(*repository, newer, python=tmp_path / "missing")
    assert fault_by(Path(sys.executable), b"return 1\n") == "line 1: 'return' outside function"


def test_a_name_that_nothing_binds_any_more_is_a_problem_of_a_patch_that_parses(repository):
    checked = check_patch(
        *repository, patch_of("calc.py", CALC["calc.py"], CALC["calc.py"].replace("- b", "- c"))
    )
    assert checked.parses and not checked.valid and checked.problems == ("calc.py: nothing binds c",)


def test_a_new_python_file_must_parse(repository):
    new = "diff --git a/n.py b/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+def (\n"
    assert not check_patch(*repository, new).parses


def test_a_file_that_never_parsed_may_change(repository):
    assert check_patch(*repository, patch_of("old.py", "print 'two'\n", "print 'three'\n")).valid


def test_other_files_may_change(repository):
    assert check_patch(*repository, patch_of("notes.md", "hello\n", "hello there\n")).valid


@pytest.mark.parametrize(
    "after",
    [CALC["calc.py"] + "\n# a comment\n", CALC["calc.py"].replace("a - b", "(a  -  b)")],
)
def test_layout_and_comments_alone_are_no_change(repository, after):
    checked = check_patch(*repository, patch_of("calc.py", CALC["calc.py"], after))
    assert checked.applies and checked.parses and checked.no_op and not checked.valid


def test_a_hunk_that_puts_back_what_it_takes_is_no_change(repository):
    same = FIX.replace("+    return a + b", "+    return a - b")
    checked = check_patch(*repository, same)
    assert checked.applies and checked.no_op and checked.files == () and not checked.valid


def test_a_patch_of_a_mebibyte_is_taken_and_one_of_a_byte_more_refused(repository):
    around = len(patch_of("notes.md", "hello\n", "\n").encode())
    for more, problems in (
        (0, ()),
        (1, (f"the patch has {(1 << 20) + 1} bytes, at most {1 << 20} are allowed",)),
    ):
        patch = patch_of("notes.md", "hello\n", "é" + "x" * ((1 << 20) - around - 2 + more) + "\n")
        assert check_patch(*repository, patch).problems == problems


def removed(path: str, *lines: str) -> str:
    """The diff that deletes a file of these lines."""
    body = "".join(f"-{line}\n" for line in lines)
    header = f"diff --git a/{path} b/{path}\ndeleted file mode 100644\n"
    return f"{header}--- a/{path}\n+++ /dev/null\n@@ -1,{len(lines)} +0,0 @@\n{body}" if lines else header


@pytest.mark.parametrize(
    ("patch", "files"),
    [
        pytest.param(lambda: new_file("n.py", "x = 1"), ("n.py",), id="a new module"),
        pytest.param(lambda: new_file("n.py", "# nothing yet"), ("n.py",), id="a new module without code"),
        pytest.param(lambda: new_file("run", "#!/bin/sh", "100755"), ("run",), id="a new program"),
        pytest.param(lambda: removed("notes.md", "hello"), ("notes.md",), id="a text deleted"),
        pytest.param(lambda: removed("empty.py"), ("empty.py",), id="an empty module deleted"),
        pytest.param(lambda: removed("old.py", "print 'two'"), ("old.py",), id="what never parsed deleted"),
        pytest.param(
            lambda: FIX + patch_of("notes.md", "hello\n", "hello \n"), ("calc.py", "notes.md"), id="two files"
        ),
        pytest.param(
            lambda: patch_of("notes.md", "hello\n", "hello \n") + patch_of("one.py", "x = 1\n", "x  = 1\n"),
            ("notes.md", "one.py"),
            id="layout of a module beside a text",
        ),
    ],
)
def test_files_may_come_go_and_change_together(make_repository, patch, files):
    one = {"empty.py": "", "one.py": "x = 1\n", "notes.md": "hello\n", "old.py": "print 'two'\n"}
    folder, base = make_repository(CALC | one)
    checked = check_patch(opened(folder), base, patch())
    assert (checked.problems, checked.files) == ((), files)
    assert (checked.applies, checked.parses, checked.no_op, checked.lenient) == (True, True, False, "")


def test_all_that_is_wrong_with_a_patch_is_said_of_each_file(repository):
    calc = patch_of("calc.py", CALC["calc.py"], CALC["calc.py"].replace("- b", "- c"))
    checked = check_patch(*repository, calc + new_file("n.py", "return 1") + new_file("m.md", "a\0b"))
    assert checked.files == ("calc.py", "m.md", "n.py") and not checked.parses and not checked.no_op
    assert checked.problems == (
        "m.md: it becomes a binary file",
        "n.py, line 1: it no longer parses: 'return' outside function",
        "calc.py: nothing binds c",
    )


def test_what_a_patch_may_not_do_is_said_without_looking_into_its_files(repository):
    mode = NOTES + "old mode 100644\nnew mode 100755\n"
    link = new_file("link", "/etc/passwd", "120000")
    checked = check_patch(*repository, mode + link + new_file("n.py", "return 1"))
    assert checked.applies and not checked.parses and not checked.no_op
    assert checked.files == ("link", "n.py", "notes.md")
    assert checked.problems == (
        "link: only regular files may change, not symbolic links or submodules",
        "notes.md: its mode changes from 100644 to 100755",
    )


def test_of_many_names_that_nothing_binds_the_first_are_said(repository):
    names = ", ".join(f"name{n:02}" for n in range(60))
    patch = patch_of("calc.py", CALC["calc.py"], CALC["calc.py"].replace("a - b", f"[{names}]"))
    assert check_patch(*repository, patch).problems == (f"calc.py: nothing binds {names[:200]}",)


@pytest.mark.parametrize(
    ("after", "said"),
    [("# more\n", "it changes nothing but layout or comments"), ("", "it changes nothing")],
)
def test_a_patch_that_changes_nothing_says_how_little(repository, after, said):
    patch = patch_of("calc.py", CALC["calc.py"], after + CALC["calc.py"]) or FIX.replace("a + b", "a - b")
    assert check_patch(*repository, patch).problems == (said,)


def test_what_the_repositorys_python_did_not_compile_before_may_stay_so(repository, tmp_path):
    none = tmp_path / "python"
    none.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    none.chmod(0o755)
    assert check_patch(*repository, FIX, python=none).valid


def test_a_commit_that_is_missing_or_no_commit_id_is_named(repository):
    git, _ = repository
    for bad in ("f" * 40, "HEAD", "--help", "main^{tree}", ""):
        with pytest.raises(CommitMissing) as raised:
            check_patch(git, bad, FIX)
        assert isinstance(raised.value, LookupError) and "commit" in str(raised.value)


def test_a_folder_that_is_no_repository_is_an_error(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises((GitFailed, CannotRun), match=re.escape(str(folder))):
            check_patch(Git(folder), "f" * 40, FIX)


def new_file(path: str, line: str = "owned", mode: str = "100644") -> str:
    header = f"diff --git a/{path} b/{path}\nnew file mode {mode}\n"
    return f"{header}--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{line}\n"


NOTES = "diff --git a/notes.md b/notes.md\n"
OUT = "diff --git a/notes.md b/../owned\nsimilarity index 100%\n"

HOSTILE = {
    "absolute path": new_file("/owned"),
    "path that climbs": new_file("../../owned"),
    "path that climbs from inside": new_file("a/../../owned"),
    "path that climbs, quoted": new_file("x").replace("b/x", '"b/\\056\\056/owned"'),
    "git's configuration": new_file(".git/config"),
    "git's hooks, other case": new_file(".GIT/hooks/post-checkout", mode="100755"),
    "git's folder, short name": new_file("GIT~1/config"),
    "git's folder, trailing dot": new_file(".git./config"),
    "git's folder, further in": new_file("sub/.git/config"),
    "symbolic link": new_file("link", "/etc/passwd", "120000"),
    "link and a file through it": new_file("link", "/", "120000") + new_file("link/owned"),
    "submodule": new_file("sub", "Subproject commit " + "a" * 40, "160000"),
    "file becomes a link": NOTES + "old mode 100644\nnew mode 120000\n",
    "mode change": NOTES + "old mode 100644\nnew mode 100755\n",
    "mode change with an edit": NOTES
    + "old mode 100644\nnew mode 100755\n--- a/notes.md\n+++ b/notes.md\n@@ -1 +1 @@\n-hello\n+bye\n",
    "rename out of the tree": OUT + "rename from notes.md\nrename to ../owned\n",
    "copy out of the tree": OUT + "copy from notes.md\ncopy to /owned\n",
    "binary": "diff --git a/data/new.bin b/data/new.bin\nnew file mode 100644\nindex 0000000..1234567\n"
    "GIT binary patch\nliteral 2\nJcmZQzVPIqc0ssI2\n\nliteral 0\nHcmV?d00001\n\n",
    "binary in disguise": new_file("x.txt", "a\0b"),
    "deletion of a missing file": "diff --git a/gone.py b/gone.py\ndeleted file mode 100644\n"
    "--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
    "counts that lie": FIX.replace("@@ -1,3 +1,3 @@", "@@ -1,999999999 +1,999999999 @@"),
    "file over a folder": new_file("tests"),
    "file below a file": new_file("calc.py/x.py", "x = 1"),
}


def test_a_plain_diff_of_an_absolute_path_stays_in_the_tree(repository):
    checked = check_patch(*repository, "--- /dev/null\n+++ /owned\n@@ -0,0 +1 @@\n+owned\n")
    assert checked.files == ("owned",) and not Path("/owned").exists()


@pytest.mark.parametrize("patch", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_patch_is_invalid_and_writes_nothing(repository, patch, tmp_path):
    owned = Path("/owned")
    assert not owned.exists()
    before = snapshot(tmp_path)
    checked = check_patch(*repository, patch)
    assert not checked.valid and checked.problems
    assert snapshot(tmp_path) == before and not owned.exists()


# The repository only serves to be read, so that examples may share it.
@settings(max_examples=25)
@given(st.data())
def test_no_mangled_patch_is_an_exception(repository, data):
    text = data.draw(st.sampled_from([FIX, *HOSTILE.values()]))
    start = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.text(max_size=8))
    checked = check_patch(*repository, text[:start] + piece + text[start + len(piece) :])
    assert checked.valid == (not checked.problems)


def test_git_agrees_that_a_valid_patch_applies(repository):
    git, _ = repository
    done = subprocess.run(
        ["git", "apply", "--check", "-"], cwd=git.directory.parent, input=FIX.encode(), check=False
    )
    assert done.returncode == 0


def test_gold_patches_of_verified_are_valid():
    data, repositories = SHARED / "data" / "swebench_verified_dev.jsonl", os.environ.get("ORCHESTRATE_REPOS")
    if not data.is_file() or not repositories:
        pytest.skip("needs rows of Verified and ORCHESTRATE_REPOS")
    checked = 0
    for instance in list(load_instances(str(data)).instances.values())[::8]:
        folder = Path(repositories, f"{instance.repo.replace('/', '__')}.git")
        if folder.exists():
            found = check_patch(opened(folder), instance.task.base_commit, instance.patch)
            assert found.valid, (instance.instance_id, found.problems)
            checked += 1
    assert checked
