"""Code of an issue, run on real trees before and after a patch."""

import subprocess
from dataclasses import replace

import pytest

from retrieval.gitio import Git
from swebench.patches.diffs import unified_diff
from swebench.running.cells import cells_of
from swebench.running.driving import Form
from swebench.running.reproduction import Reproduction
from tests.swebench.conftest import HERE

SOURCE = "def half(n):\n    return n // 2\n\n\ndef fail(n):\n    return 1 / n\n"
ISSUE = """\
half() of an odd number is cut off

    >>> half(3)
    1

I expected 1.5.
"""


@pytest.fixture
def git(tmp_path):
    folder = tmp_path / "project"
    (folder / "halves").mkdir(parents=True)
    (folder / "halves/__init__.py").write_text(SOURCE)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return Git(folder / ".git")


def reproduction(git, issue=ISSUE, timeout_s=20, within=HERE):
    return Reproduction(
        issue,
        git,
        git("rev-parse", "HEAD").decode().strip(),
        ["halves"],
        timeout_s,
        defined={"hidden": "halves.inner"}.get,
        within=within,
    )


def patched(old, new):
    return unified_diff("halves/__init__.py", SOURCE, SOURCE.replace(old, new))


def test_an_issue_of_a_megabyte_is_read_in_part(git):
    issue = ISSUE + "\n    >>> half(3)\n    1\n" * 40_000
    assert reproduction(git, issue).usable


@pytest.mark.parametrize("written", ["no json", "[1, 2]", "[]", '[["a", ""], ["b", ""]]'])
def test_code_that_writes_in_the_drivers_place_is_not_believed(git, written):
    issue = f"```python\nimport atexit, sys\natexit.register(print, '\\x1e' + {written!r} + '\\x1e')\n```\n"
    assert not reproduction(git, issue).usable


def test_code_that_shows_what_the_issue_quotes_is_usable_and_imports_may_be_left_out(git):
    assert reproduction(git).usable


@pytest.mark.parametrize(
    "issue",
    [
        pytest.param(">>> half(4)\n7\n", id="shows something else"),
        pytest.param(">>> unknown(3)\n1\n", id="names what there is not"),
        pytest.param("no code", id="no code"),
        pytest.param("```python\nwhile True: pass\n```\n", id="never ends", marks=pytest.mark.slow),
    ],
)
def test_code_that_does_not_show_the_fault_is_not_usable(git, issue):
    assert not reproduction(git, issue, timeout_s=2).usable


def test_an_error_that_the_issue_names_shows_the_fault(git):
    issue = "```python\nfail(0)\n```\nZeroDivisionError, where I expect nothing"
    assert reproduction(git, issue).usable


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        ("n // 2", "n / 2", "expected"),
        ("n // 2", "n * 2", "changed"),
        ("1 / n", "2 / n", "unchanged"),
        ("n // 2", "n // 0", "broken"),
        ("n // 2", "n // n2", "broken"),
    ],
)
def test_a_patch_is_judged_by_what_it_makes_the_code_print(git, old, new, outcome):
    assert reproduction(git).outcome(patched(old, new)) == outcome


def form(old, new):
    start = SOURCE.index(old)
    return Form("halves/__init__.py", ((start, start + len(old), new),))


def test_edited_forms_have_the_outcome_of_the_patches_that_make_them(git):
    edits = [("//", "/"), ("// 2", "// 1"), ("return 1 / n", "return 2 / n"), ("// 2", "// 0")]
    found = reproduction(git)
    at_once = found.outcomes([form(*edit) for edit in edits], budget_s=60)
    assert at_once == [found.outcome(patched(*edit)) for edit in edits]
    assert at_once == ["expected", "changed", "unchanged", "broken"]


def test_no_form_runs_what_another_was_compiled_to(git):
    writing = replace(HERE, variables={})
    found = reproduction(git, within=writing)
    right, wrong = form("//", "/"), form("// 2", "// 1")
    assert found.outcomes([right, wrong] * 4, budget_s=100) == ["expected", "changed"] * 4


def test_a_form_that_hangs_or_ends_the_process_is_broken_and_hurts_no_other(git):
    code = "import os, time\n\n\ndef half(n):\n    {}\n    return n / 2\n"
    forms = [
        Form("halves/__init__.py", ((0, len(SOURCE), code.format(line)),))
        for line in ("time.sleep(600)", "os._exit(0)", "os.kill(os.getpid(), 9)", "raise SystemExit", "pass")
    ]
    for timeout_s in (2, 10, 40):  # a form that ends must have the time to, on any machine
        found = reproduction(git, timeout_s=timeout_s).outcomes(forms, budget_s=200)
        if found[-1] == "expected":
            break
    assert found == ["broken", "broken", "broken", "broken", "expected"]


def test_forms_that_the_time_is_too_short_for_have_no_outcome(git):
    slow = Form("halves/__init__.py", ((0, len(SOURCE), "import time\ntime.sleep(600)\n"),))
    assert reproduction(git).outcomes([slow] * 3, budget_s=1) == [None] * 3


def test_more_forms_than_one_command_can_be_given_are_all_run(git):
    long = Form("halves/__init__.py", ((0, 0, "# " + "x" * 40_000 + "\n"),))
    assert reproduction(git).outcomes([long] * 5, budget_s=60) == ["unchanged"] * 5


def test_a_call_in_backticks_is_code_of_the_issue(git):
    assert [cell.source for cell in cells_of("`half(3)` gives 1, ``x()`` and `two words`")] == ["half(3)\n"]
    found = reproduction(git, "`fail(0)` ends in a ZeroDivisionError")
    assert found.usable
    assert found.outcome(patched("1 / n", "n and 1 / n")) == "changed"


def test_a_name_that_the_issue_does_not_import_is_taken_from_where_it_is_defined(git, tmp_path):
    inner = tmp_path / "project/halves/inner.py"
    inner.write_text("def hidden():\n    raise LookupError\n")
    subprocess.run(["git", "add", "-A"], cwd=tmp_path / "project", check=True)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *identity, "commit", "-q", "-m", "more"], cwd=tmp_path / "project", check=True)
    assert reproduction(git, "`hidden()` ends in a LookupError").usable


def test_a_short_result_is_expected_only_where_the_issue_says_so(git):
    long = "It happens with 1.5 and others.\n\n>>> half(3)\n1\n"
    assert reproduction(git, long).outcome(patched("//", "/")) == "changed"
    assert reproduction(git, long + "That should be 1.5, no?").outcome(patched("//", "/")) == "expected"


def test_the_lines_that_run_are_told(git):
    assert reproduction(git).executed == {"halves/__init__.py": {1, 2}}
    assert reproduction(git, "`missing()` fails").executed == {}, "it ran, and nothing of the tree did"
    for untold in (
        "`exit(half(1))` `__import__('os')._exit(half(3))`",
        "`__import__('time').sleep(600 * half(3))`",
    ):
        assert reproduction(git, untold, timeout_s=1).executed is None


def test_a_block_of_values_is_what_is_expected_and_no_code(git):
    issue = "```python\nprint([half(3), half(5)])\n```\ngives\n```\n[1, 2]\n```\nbut\n```\n[1.5, 2.5]\n```\n"
    assert len(cells_of(issue)) == 1
    found = reproduction(git, issue)
    assert found.usable
    assert found.outcome(patched("//", "/")) == "expected"
    assert found.outcome(patched("// 2", "// 1")) == "changed"


def test_an_edited_form_is_read_in_the_encoding_of_its_file(git):
    source = "# coding: latin-1\r\nNAME = 'é'\r\n" + SOURCE
    folder = git.directory.parent
    (folder / "halves/__init__.py").write_bytes(source.encode("latin-1"))
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *identity, "commit", "-qam", "latin"], cwd=folder, check=True)
    start = source.index("//")
    form = Form("halves/__init__.py", ((start, start + 2, "/"),), "iso-8859-1")
    assert reproduction(git).outcomes([form], 20) == ["expected"]


def test_what_a_comment_says_that_comes_out_is_quoted(git):
    issue = (
        "```python\nprint(half(2001))  #>>> 1000\nprint(half(4))\n```\nIt should be 1000.5 2.0, I expect.\n"
    )
    assert reproduction(git, issue.replace("print(half(4))\n", "")).usable
    assert not reproduction(git, issue.replace("1000\n", "what\n")).usable
