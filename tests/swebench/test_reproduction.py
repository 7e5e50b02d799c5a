"""Code of a report, run on real trees before and after a patch."""

import subprocess

import pytest

from swebench.diffs import unified_diff
from swebench.reproduction import Reproduction, cells_of

SOURCE = "def half(n):\n    return n // 2\n\n\ndef fail(n):\n    return 1 / n\n"
REPORT = """\
half() of an odd number is cut off

    >>> half(3)
    1

I expected 1.5.
"""


@pytest.fixture
def git_dir(tmp_path):
    folder = tmp_path / "project"
    (folder / "halves").mkdir(parents=True)
    (folder / "halves/__init__.py").write_text(SOURCE)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder / ".git"


def reproduction(git_dir, report=REPORT):
    head = subprocess.run(
        ["git", "--git-dir", str(git_dir), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return Reproduction(report, git_dir, head.stdout.strip(), ["halves"], timeout_s=20)


def patched(old, new):
    return unified_diff("halves/__init__.py", SOURCE, SOURCE.replace(old, new))


def test_sessions_and_scripts_are_read_in_the_order_of_the_report():
    script, session = "```python\nx = 1\nprint(x)\n```", "```\n>>> x + 1\n2\n```"
    report = f"See\n{script}\nthen\n{session}\nand `y`\n```\nnot code at all\n```"
    assert [(cell.kind, cell.source) for cell in cells_of(report)] == [
        ("exec", "x = 1\nprint(x)\n"),
        ("single", "x + 1\n"),
    ]


def test_a_block_in_another_language_is_no_code_and_hides_none():
    report = "```sh\nmake\n```\nand\n```python\nprint(1)\n```\n"
    assert [cell.source for cell in cells_of(report)] == ["print(1)\n"]


def test_a_report_of_a_megabyte_is_read_in_part(git_dir):
    report = REPORT + "\n    >>> half(3)\n    1\n" * 40_000
    assert reproduction(git_dir, report).usable


@pytest.mark.parametrize("written", ["no json", "[1, 2]", "[]", '[["a", ""], ["b", ""]]'])
def test_code_that_writes_in_the_drivers_place_is_not_believed(git_dir, written):
    report = f"```python\nimport atexit, sys\natexit.register(print, '\\x1e' + {written!r} + '\\x1e')\n```\n"
    assert not reproduction(git_dir, report).usable


@pytest.mark.parametrize("report", ["", "```", ">>> (", "```python\nif\n```", "text >>> x\n" * 3])
def test_a_report_without_code_that_compiles_has_no_cells(report):
    assert cells_of(report) == []


def test_code_that_shows_what_the_report_quotes_is_usable_and_imports_may_be_left_out(git_dir):
    assert reproduction(git_dir).usable


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(">>> half(4)\n7\n", id="shows something else"),
        pytest.param(">>> unknown(3)\n1\n", id="names what there is not"),
        pytest.param("no code", id="no code"),
        pytest.param("```python\nwhile True: pass\n```\n", id="never ends", marks=pytest.mark.slow),
    ],
)
def test_code_that_does_not_show_the_fault_is_not_usable(git_dir, report):
    found = reproduction(git_dir, report)
    found._timeout_s = 2
    assert not found.usable


def test_an_error_that_the_report_names_shows_the_fault(git_dir):
    report = "```python\nfail(0)\n```\nZeroDivisionError, where I expect nothing"
    assert reproduction(git_dir, report).usable


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
def test_a_patch_is_judged_by_what_it_makes_the_code_print(git_dir, old, new, outcome):
    assert reproduction(git_dir).outcome(patched(old, new)) == outcome
