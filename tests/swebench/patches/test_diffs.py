import difflib
import itertools
import re
import subprocess
from pathlib import Path

import pytest
import unidiff
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swebench.errors import UnsafePath
from swebench.patches.diffs import unified_diff

# Lines of a small alphabet, so that two texts share some; every kind of line end, and characters that some
# readers wrongly take for one.
LINES = st.sampled_from(
    [
        "",
        "a",
        "b",
        "    c",
        "+d",
        "--- e",
        "@@ -1 +1 @@",
        "\\ No newline at end of file",
        "f\x0cg",
        "é\u2028h",
    ]
)
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r"])
TEXTS = st.builds(
    lambda pairs, tail: "".join(line + end for line, end in pairs) + tail,
    st.lists(st.tuples(LINES, ENDS), max_size=25),
    LINES,
)


def git_applies(folder: Path, path: str, before: str, patch: str) -> str:
    """The file after git itself has applied the patch, outside any repository."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(before.encode())
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        cwd=folder,
        input=patch.encode(),
        check=True,
        env=git_env(folder),
    )
    return file.read_bytes().decode()


def git_env(folder: Path) -> dict[str, str]:
    """What git gets, so that it finds no repository above the folder."""
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}
    return path | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}


@settings(max_examples=80)
@given(before=TEXTS, after=TEXTS)
def test_git_makes_of_before_and_the_diff_exactly_after(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("apply", numbered=True)
    patch = unified_diff("pkg/mod.py", before, after)
    if before == after:
        assert patch == ""
    else:
        assert git_applies(folder, "pkg/mod.py", before, patch) == after


@given(before=TEXTS, after=TEXTS)
def test_unidiff_reads_what_we_write(before, after):
    patch = unified_diff("pkg/mod.py", before, after)
    if patch:
        (file,) = unidiff.PatchSet(patch)
        assert file.path == "pkg/mod.py"
        assert file.added - file.removed == line_count(after) - line_count(before)
        for hunk in file:
            assert "".join(line.value for line in hunk if line.line_type in " -").rstrip("\n") in before
            assert "".join(line.value for line in hunk if line.line_type in " +").rstrip("\n") in after


@given(before=TEXTS, after=TEXTS)
def test_the_hunks_are_those_of_the_standard_library(before, after):
    def lines(text: str) -> list[str]:
        return [line for line in re.split(r"(?<=\n)", text) if line]

    expected = list(difflib.unified_diff(lines(before), lines(after)))[2:]
    ended = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in expected]
    header = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n"
    assert unified_diff("a.py", before, after) == (header + "".join(ended) if ended else "")


def line_count(text: str) -> int:
    """Lines as git counts them."""
    return len(text.removesuffix("\n").split("\n")) if text else 0


def test_a_diff_has_three_lines_of_context_and_gits_headers():
    before = "".join(f"{number}\n" for number in range(1, 21))
    patch = unified_diff("a.py", before, before.replace("10\n", "ten\n"))
    assert patch.startswith(
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n"
    )
    assert patch.endswith(" 13\n")


@pytest.mark.parametrize(
    ("before", "after"), [("", "x\n"), ("x\n", ""), ("", "x"), ("x", "x\n"), ("x\n", "x")]
)
def test_empty_files_and_missing_final_newlines_survive(tmp_path, before, after):
    assert git_applies(tmp_path, "a.py", before, unified_diff("a.py", before, after)) == after


@pytest.mark.parametrize("path", ["a b.py", "dir with space/ünïcode.py", "tests/⊗.txt", "-rf.py", "a'b.py"])
def test_unusual_paths_apply(tmp_path, path):
    assert git_applies(tmp_path, path, "x\n", unified_diff(path, "x\n", "y\n")) == "y\n"


@pytest.mark.parametrize("path", ["a.py", "a b.py", "dir with space/a.py", "ü.py", "a'b.py"])
def test_a_diff_is_what_git_itself_writes_but_for_the_names_of_blobs(tmp_path, path):
    def git(*arguments: str) -> str:
        command = ["git", "-c", "core.quotePath=false", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=git_env(tmp_path), check=True, capture_output=True)
        return done.stdout.decode()

    git("init", "--quiet")
    before = "".join(f"{number}\n" for number in range(1, 10))
    file, after = tmp_path / path, before.replace("5", "five")
    file.parent.mkdir(exist_ok=True)
    file.write_text(before)
    git("add", "--all")
    file.write_text(after)
    written = git("diff").splitlines(keepends=True)
    assert unified_diff(path, before, after) == "".join(x for x in written if not x.startswith("index "))


def test_diffs_of_several_files_join_by_concatenation(tmp_path):
    (tmp_path / "b.py").write_text("one")
    patch = unified_diff("a.py", "x", "y") + unified_diff("b.py", "one", "two\n")
    assert git_applies(tmp_path, "a.py", "x", patch) == "y"
    assert (tmp_path / "b.py").read_text() == "two\n"
    assert [file.path for file in unidiff.PatchSet(patch)] == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x.py", "a/../../x.py", "a//b.py", "./a.py", ".git/config", "a/.GIT/hooks/x",
     ".git./x", "git~1/config", 'a"b.py', "a\\b.py", "a\nb.py", "a\tb.py", "a\0b.py", "a\u00a0b.py"],
)  # fmt: skip
def test_paths_that_a_diff_must_not_name_are_refused(path):
    with pytest.raises(UnsafePath):
        unified_diff(path, "x\n", "y\n")


COOKIE = "# coding: latin-1\n"


def latin(foreign: set[int], n: int = 12, cookie: int = 0) -> list[str]:
    """Lines of a file in another encoding; those of `foreign` (from 0) have a letter that shows it."""
    lines = [f"# v{number} = '{'é' if number in foreign else 'e'}'\n" for number in range(n)]
    return [COOKIE if number == cookie else line for number, line in enumerate(lines)]


@given(
    st.sets(st.integers(0, 11)),
    st.integers(0, 11),
    st.sampled_from(["replace", "insert", "delete"]),
    st.integers(0, 1),
)
@example({0}, 0, "replace", 1)
@example({0}, 0, "delete", 1)
@example({10}, 11, "replace", 0)
@example({11}, 11, "insert", 0)
@example({9, 11}, 11, "insert", 0)
def test_the_context_of_a_change_ends_before_a_line_that_is_not_utf8(foreign, number, change, cookie):
    before = latin(foreign, cookie=cookie)
    if number == cookie or (number < cookie and change == "insert"):
        return  # the file would be in another encoding
    above, below = before[: number + (change == "insert")], before[number + 1 :]
    taken = [] if change == "insert" else [before[number]]
    put = [] if change == "delete" else ["# new\n"]
    patch = unified_diff("a.py", "".join(before), "".join([*above, *put, *below]))
    first = list(itertools.takewhile(str.isascii, reversed(above[-3:])))[::-1]
    last = list(itertools.takewhile(str.isascii, below[:3]))
    if not (last if below else first or taken) or not all(map(str.isascii, taken)):
        assert "GIT binary patch" in patch
        return
    start, old, new = (
        len(above) - len(first),
        *(len(first) + len(each) + len(last) for each in (taken, put)),
    )
    ranges = [str(start + 1) if n == 1 else f"{start + (n > 0)},{n}" for n in (old, new)]
    marked = [(" ", first), ("-", taken), ("+", put), (" ", last)]
    body = "".join(mark + line for mark, lines in marked for line in lines)
    assert patch.split("\n", 3)[3] == f"@@ -{ranges[0]} +{ranges[1]} @@\n{body}"


def test_two_changes_around_a_line_that_is_not_utf8_have_a_line_of_context_each():
    before = "".join(latin({5}))
    patch = unified_diff("a.py", before, before.replace("v3 =", "w3 =").replace("v7 =", "w7 ="))
    assert patch.split("\n", 3)[3] == (
        "@@ -3,3 +3,3 @@\n # v2 = 'e'\n-# v3 = 'e'\n+# w3 = 'e'\n # v4 = 'e'\n"
        "@@ -7,3 +7,3 @@\n # v6 = 'e'\n-# v7 = 'e'\n+# w7 = 'e'\n # v8 = 'e'\n"
    )
    nearer = unified_diff("a.py", before, before.replace("v4 =", "w4 =").replace("v6 =", "w6 ="))
    assert "GIT binary patch" in nearer
    assert "# @@ -2,9 +2,9 @@\n#  # v1 = 'e'\n" in nearer, "people see git's own context"
