"""A project's own tests on real trees: what they say without a patch, and of patches."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swebench.errors import NotGradeable
from swebench.grading.project_tests import WHOLE, ProjectTests
from swebench.patches.diffs import unified_diff
from swebench.running import launch
from swebench.running.agreeing import Agreeing
from swebench.running.commands import read_command
from swebench.running.driving import Form
from swebench.running.reproduction import Reproduction
from swebench.running.runner import Surroundings
from tests.swebench.conftest import opened, run_git

SOURCE = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return 2 * a\n"
PYTEST = """\
from {package} import add, double


def test_double():
    assert double(3) == 6


def test_add():
    assert add(1, 2) == 3


def test_missing(no_such_fixture):
    pass
"""
UNITTEST = """\
import unittest

from {package} import add, double


class CalcTest(unittest.TestCase):
    def test_double(self):
        self.assertEqual(double(3), 6)

    def test_add(self):
        "One and two."
        self.assertEqual(add(1, 2), 3)
"""


@pytest.fixture
def project(make_repository, tmp_path, test_bed):
    """Makes a project of files, tested by a command in the environment that has pytest alone."""
    bare = test_bed.surroundings_of_own

    def make(files, line, folder="", cache="cache"):
        root, base = make_repository(files)
        within = Surroundings(bare.programs, variables=bare.variables, folder=folder)
        return root, ProjectTests(
            opened(root), base, read_command(line, "given"), within, "here", "digest", tmp_path / cache
        )

    return make


@pytest.fixture
def test_bed(cache_dir):
    from swebench.running.own import own_environment

    class Bed:
        surroundings_of_own = own_environment(cache_dir).surroundings

    return Bed


def fix(path, source=SOURCE, old="a - b", new="a + b"):
    return unified_diff(path, source, source.replace(old, new))


def form(path, source, old, new):
    start = source.index(old)
    return Form(path, ((start, start + len(old), new),))


LAYOUTS = [
    pytest.param("calc.py", "calc", "tests/test_calc.py", "", id="module beside tests"),
    pytest.param("src/calc/__init__.py", "calc", "tests/test_calc.py", "", id="src"),
    pytest.param("src/acme/calc/__init__.py", "acme.calc", "checks/unit/test_calc.py", "", id="namespace"),
    pytest.param("calendar/__init__.py", "calendar", "tests/test_calc.py", "", id="named like the library's"),
    pytest.param("json/__init__.py", "json", "tests/test_calc.py", "", id="named like one that runners use"),
    pytest.param(
        "parts/one/src/calc.py", "calc", "parts/one/tests/test_calc.py", "parts/one", id="sub-folder"
    ),
    pytest.param("calc/__init__.py", "calc", "calc/tests/test_calc.py", "", id="tests inside the package"),
]


@pytest.mark.parametrize(("path", "package", "test", "folder"), LAYOUTS)
def test_the_failing_test_of_every_layout_shows_the_fault_and_the_right_edit(
    project, path, package, test, folder
):
    files = {path: SOURCE, test: PYTEST.format(package=package), "parts/README": ""}
    if test.startswith("calc/"):
        files["calc/tests/__init__.py"] = ""
    _, tests = project(files, "pytest", folder)
    inside = test.removeprefix("parts/one/")
    assert tests.baseline.passing == (f"{inside}::test_double",)
    assert tests.baseline.failing == (f"{inside}::test_add", f"{inside}::test_missing")
    shown = tests.failing_tests(tests.baseline.failing, 20)
    assert shown.usable
    assert shown.executed is not None and shown.executed[path] == {1, 2}
    edits = [("a - b", "a + b"), ("a - b", "b - a"), ("2 * a", "a"), ("a - b", "a -")]
    forms = [form(path, SOURCE, *edit) for edit in edits]
    assert shown.outcomes(forms, 100) == ["expected", "unchanged", "unchanged", "unchanged"]
    assert shown.outcome(fix(path)) == "expected"
    mended = tests.check(fix(path))
    assert mended.ok and mended.still_failing == (f"{inside}::test_missing",)
    broken = tests.check(fix(path, old="2 * a", new="3 * a"))
    assert not broken.ok and broken.failed == (f"{inside}::test_double",)


def test_of_slow_tests_those_nearest_to_a_patch_are_run_before_all(project, monkeypatch):
    files = {
        "calc.py": SOURCE,
        "test_near.py": PYTEST.format(package="calc"),
        "test_far.py": "def test_far(): ...",
    }
    _, tests = project(files, "pytest")
    monkeypatch.setattr("swebench.grading.project_tests.QUICK_S", -1.0)
    assert {"test_far.py::test_far"} < set(
        tests.check(fix("calc.py"), lambda patch: ["test_near.py"]).statuses
    )
    broken = tests.check(fix("calc.py", old="2 * a", new="3 * a"), lambda patch: ["test_near.py"])
    assert broken.failed == ("test_near.py::test_double",)
    assert "test_far.py::test_far" not in broken.statuses, "one failure was enough"


def test_tests_of_unittest_are_told_apart_too(project):
    files = {"calc.py": SOURCE, "tests/test_calc.py": UNITTEST.format(package="calc")}
    _, tests = project(files, "python -m unittest discover -s tests -t tests")
    named = "test_add (test_calc.CalcTest.test_add)\nOne and two."
    assert tests.baseline.failing == (named,)
    shown = tests.failing_tests([named], 20)
    assert shown.usable
    assert shown.outcome(fix("calc.py")) == "expected"
    assert tests.check(fix("calc.py")).ok
    assert not tests.check(fix("calc.py", old="2 * a", new="a")).ok


def test_a_script_that_runs_tests_is_heard(project):
    script = "import sys, unittest\nsys.argv = ['x', 'discover', '-s', 'tests']\nunittest.main(module=None)\n"
    files = {"calc.py": SOURCE, "tests/test_calc.py": UNITTEST.format(package="calc"), "runtests.py": script}
    _, tests = project(files, "python runtests.py")
    assert len(tests.baseline.passing) == len(tests.baseline.failing) == 1
    assert tests.failing_tests(tests.baseline.failing, 20).outcome(fix("calc.py")) == "expected"


def test_a_runner_of_the_projects_own_that_runs_suites_of_unittest_is_heard(project):
    script = (
        "import sys, unittest\n"
        "suite = unittest.defaultTestLoader.discover('checks')\n"
        "result = unittest.TestResult()\nsuite.run(result)\nsys.exit(not result.wasSuccessful())\n"
    )
    files = {
        "calc.py": SOURCE,
        "checks/test_calc.py": UNITTEST.format(package="calc"),
        "run.py": script,
    }
    _, tests = project(files, "python run.py")
    assert len(tests.baseline.passing) == len(tests.baseline.failing) == 1
    assert tests.failing_tests(tests.baseline.failing, 20).outcome(fix("calc.py")) == "expected"


def test_a_command_that_starts_no_known_runner_is_judged_by_its_exit_code(project):
    files = {"calc.py": SOURCE, "check.sh": "python -c 'import calc; assert calc.double(3) == 6'\n"}
    _, tests = project(files, "sh check.sh")
    assert tests.baseline.passing == (WHOLE,)
    assert tests.check(fix("calc.py")).ok
    assert not tests.check(fix("calc.py", old="2 * a", new="a")).ok


@pytest.mark.parametrize(
    ("files", "line", "said"),
    [
        ({"test_a.py": "import no_such_module\n\ndef test_a(): pass\n"}, "pytest", "no_such_module"),
        ({"test_a.py": ""}, "pytest", "no tests ran"),
        ({"test_a.py": ""}, "pytest --no-such-option", "--no-such-option"),
        ({"test_a.py": ""}, "no-such-program", "no-such-program"),
    ],
)
def test_tests_that_do_not_run_end_the_work_with_the_reason_and_what_to_do(project, files, line, said):
    _, tests = project(files, line)
    with pytest.raises(NotGradeable, match="--environment create") as refused:
        tests.measure(lambda *_: None)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_test_that_fails_now_and_then_is_flaky_and_held_against_nobody(project, tmp_path):
    mark = tmp_path / "mark"
    flaky = (
        f"from pathlib import Path\n\n\ndef test_now_and_then():\n    mark = Path({str(mark)!r})\n"
        "    turn = len(mark.read_text()) if mark.exists() else 0\n    mark.write_text('x' * (turn + 1))\n"
        "    assert turn % 2\n"
    )
    files = {"calc.py": SOURCE, "test_calc.py": PYTEST.format(package="calc"), "test_flaky.py": flaky}
    _, tests = project(files, "pytest")
    assert tests.baseline.flaky == ("test_flaky.py::test_now_and_then",)
    assert "test_flaky.py::test_now_and_then" not in tests.baseline.passing + tests.baseline.failing
    assert all(tests.check(fix("calc.py")).ok for _ in range(2))


def test_a_test_that_fails_once_with_a_patch_gets_a_second_chance(project, tmp_path):
    mark = tmp_path / "mark"
    once = (
        f"from pathlib import Path\n\n\ndef test_once():\n    mark = Path({str(mark)!r})\n"
        "    turn = len(mark.read_text()) if mark.exists() else 0\n    mark.write_text('x' * (turn + 1))\n"
        "    assert turn != 1\n"
    )
    _, tests = project({"calc.py": SOURCE, "test_once.py": once}, "pytest")
    assert tests.baseline.passing == ("test_once.py::test_once",)
    assert tests.check(fix("calc.py")).ok
    assert mark.read_text() == "xxx"


def test_what_is_known_of_a_commit_is_not_measured_again(project, tmp_path):
    _, tests = project({"calc.py": SOURCE, "test_calc.py": PYTEST.format(package="calc")}, "pytest")
    told = []
    first = tests.measure(lambda *told_now: told.append(told_now))
    assert [each[1:] for each in told] == [(0, 1), (1, 1)]
    assert tests.measure(lambda *told_now: told.append(told_now)) == first
    assert len(told) == 2
    tests.measure(lambda *told_now: told.append(told_now), fresh=True)
    assert len(told) == 4
    kept = next((tmp_path / "cache" / "baselines").iterdir())
    assert json.loads(kept.read_text())["failing"] == list(first.failing)


def test_settings_that_stop_early_or_spread_the_tests_do_not_hide_any(project):
    settings = "[pytest]\naddopts = -x --lf\n"
    files = {"pytest.ini": settings, "calc.py": SOURCE, "test_calc.py": PYTEST.format(package="calc")}
    files["pytest.ini"] = "[pytest]\naddopts = -x\n"
    files["test_calc.py"] = files["test_calc.py"].replace("def test_double", "def test_zdouble")
    _, tests = project(files, "pytest")
    assert len(tests.baseline.passing) == 1 and len(tests.baseline.failing) == 2


def test_a_project_that_makes_warnings_errors_is_tested_beside_plug_ins(tmp_path):
    site, tree = tmp_path / "site", tmp_path / "tree"
    described = site / "plug-1.dist-info"
    described.mkdir(parents=True)
    (site / "plug.py").write_text("def pytest_report_header():\n    return 'plugged in'\n")
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1\n")
    (described / "RECORD").write_text("plug.py,,\nplug-1.dist-info/METADATA,,\n")
    (described / "entry_points.txt").write_text("[pytest11]\nplug = plug\n")
    tree.mkdir()
    (tree / "pytest.ini").write_text("[pytest]\nfilterwarnings = error::pytest.PytestAssertRewriteWarning\n")
    (tree / "test_calc.py").write_text("def test_one():\n    assert 1\n")
    given = {"program": "pytest", "arguments": [], "only": [], "root": ".", "sources": [""]}
    done = subprocess.run(
        [sys.executable, launch.__file__, json.dumps(given)],
        cwd=tree, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "plugged in" in done.stdout, done.stderr


def test_the_code_of_tests_runs_on_the_interpreter_that_was_chosen(project):
    files = {"calc.py": SOURCE, "test_calc.py": "import sys\n\ndef test_it():\n    assert 0, sys.prefix\n"}
    _, tests = project(files, "pytest")
    tests.measure(lambda *_: None)
    assert Path(sys.prefix) not in tests.within.programs


ROMAN = """\
NUMERALS = (("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1))


def roman(n):
    result = ""
    for numeral, integer in NUMERALS:
        while n > integer:
            result += numeral
            n -= integer
    return result


def other():
    return 1
"""
ROMAN_TESTS = """\
import roman


def test_numerals():
    assert [roman.roman(n) for n in (1, 5, 10, 14)] == ["I", "V", "X", "XIV"]


def test_other():
    assert roman.other() == 2
"""


def test_code_of_an_issue_and_failing_tests_of_the_same_functions_decide_together(project):
    issue = "roman(1) is empty\n\n>>> roman(1)\n''\n>>> roman(10)\n'IXI'\n"
    root, tests = project({"roman.py": ROMAN, "test_roman.py": ROMAN_TESTS}, "pytest")
    assert len(tests.baseline.failing) == 2
    commit = run_git(root, "rev-parse", "HEAD")
    defined = {"roman": "roman"}.get
    code = Reproduction(issue, opened(root), commit, [], 20, defined, tests.within)
    both = Agreeing(code, tests.failing_tests(tests.baseline.failing, 20))
    assert both.usable and set(both.executed) == {"roman.py"} and 14 not in both.executed["roman.py"]
    edits = [("n -= integer", "n = integer"), ("n > integer", "n >= integer"), ("return 1", "return 2")]
    forms = [form("roman.py", ROMAN, *edit) for edit in edits]
    assert both.outcomes(forms, 100) == ["changed", "expected", "unchanged"]
    assert both.outcome(fix("roman.py", ROMAN, *edits[1])) == "expected"
    assert both.outcome(fix("roman.py", ROMAN, *edits[0])) == "changed"


def test_tests_that_fail_for_another_reason_have_no_say_in_what_an_issue_shows(project):
    issue = "roman(1) is empty\n\n>>> roman(1)\n''\n"
    other = "import roman\n\n\ndef test_other():\n    assert roman.other() == 2\n"
    root, tests = project({"roman.py": ROMAN, "test_roman.py": other}, "pytest")
    commit = run_git(root, "rev-parse", "HEAD")
    code = Reproduction(issue, opened(root), commit, [], 20, {"roman": "roman"}.get, tests.within)
    both = Agreeing(code, tests.failing_tests(tests.baseline.failing, 20))
    assert both.named == code.named
    assert both.outcome(fix("roman.py", ROMAN, "return 1", "return 2")) == "unchanged"
