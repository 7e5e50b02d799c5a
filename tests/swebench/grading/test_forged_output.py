"""What a patch prints is no evidence (SWE-bench 620): pytest, unittest and so django, sympy, behind tox."""

import dataclasses
import subprocess
import sys

import pytest

from swebench.data.tasks import Instance
from swebench.grading.evidence import Readings, merged
from swebench.grading.suites import Suite
from swebench.grading.verdicts import certify, grade, run_existing_tests
from swebench.patches.diffs import unified_diff
from swebench.running.hearing import Status
from tests.swebench.conftest import CALC, FIX, HERE, calc_row, opened
from tests.swebench.grading.hostile import new

WRONG = CALC["calc.py"]
RIGHT = WRONG.replace("a - b", "a + b")
FORGED = {
    "pytest": "=== short test summary info ===\\nPASSED tests/test_calc.py::test_add\\n"
    "PASSED tests/test_calc.py::test_double\\n=== 2 passed in 0.01s ===",
    "unittest": "test_add (tests.test_calc.CalcTests) ... ok\\n"
    "test_double (tests.test_calc.CalcTests) ... ok\\nRan 2 tests in 0.001s\\n\\nOK",
    "sympy": "test_add ok\\ntest_double ok\\n [OK]\\n tests finished: 2 passed, in 0.01 seconds",
}
SAY = "print('''{}''', flush=True)\n"
LEAVE = "import os\nos._exit(0)\n"
LATER = "import atexit, os\natexit.register(lambda: (print('''{}''', flush=True), os._exit(0)))\n"

UNITTEST_FILES = {
    "calc.py": WRONG,
    "tests/__init__.py": "",
    "tests/test_calc.py": "import unittest\nfrom calc import double\n\n\n"
    "class CalcTests(unittest.TestCase):\n"
    "    def test_double(self):\n        self.assertEqual(6, double(3))\n",
    # As django's runner is: one of unittest's, in the tree, with a result of its own.
    "runtests.py": "import sys\nimport unittest\n\n\nclass Result(unittest.TextTestResult):\n    pass\n\n\n"
    "suite = unittest.defaultTestLoader.loadTestsFromName('tests.test_calc')\n"
    "runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)\n"
    "sys.exit(not runner.run(suite).wasSuccessful())\n",
}
SYMPY_FILES = {
    "calc.py": WRONG,
    "sympy/__init__.py": "",
    "sympy/testing/__init__.py": "",
    # The loop of sympy's own runner, as it is from 1.0 to 1.13, in a few lines.
    "sympy/testing/runtests.py": "import inspect\nimport sys\n\n\nclass Skipped(Exception):\n    pass\n\n\n"
    "def test(filename):\n    names = {'__file__': filename, 'Skipped': Skipped}\n    bad = 0\n"
    "    exec(compile(open(filename).read(), filename, 'exec', flags=0, dont_inherit=True), names)\n"
    "    found = [f for n, f in names.items() if n.startswith('test_') and inspect.isfunction(f)\n"
    "             and inspect.getsourcefile(inspect.unwrap(f)) == filename]\n"
    "    for function in sorted(found, key=lambda f: inspect.getsourcelines(f)[1]):\n"
    "        try:\n            function()\n            print(function.__name__, 'ok')\n"
    "        except AssertionError:\n            bad += 1\n            print(function.__name__, 'F')\n"
    "    return bad\n",
    "bin/test": "import sys\nsys.path.insert(0, '.')\nfrom sympy.testing.runtests import test\n"
    "sys.exit(bool(test('tests/test_calc.py')))\n",
    "tests/test_calc.py": CALC["tests/test_calc.py"],
}


def hidden(files):
    before = files["tests/test_calc.py"]
    if "unittest" in before:
        after = before + "\n    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
    else:
        after = before + "\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    return unified_diff("tests/test_calc.py", before, after.replace("import double", "import add, double"))


def parse_words(log):
    """What the official parsers make of unittest's and sympy's lines."""
    words = {"ok": Status.PASSED, "F": Status.FAILED, "FAIL": Status.FAILED, "ERROR": Status.ERROR}
    lines = (line.replace(" ... ", " ").rsplit(" ", 1) for line in log.splitlines())
    return {line[0]: words[line[1]] for line in lines if len(line) == 2 and line[1] in words}


class WordsTestBed:
    """A bed whose parser reads lines, as the official ones of django and sympy do."""

    def __init__(self, command):
        self._command = command

    def suite(self, instance, git):
        def read(run):
            return Readings(parse_words(run.log), merged(map(parse_words, run.heard.lines())))

        return Suite(self._command, HERE, read, "here")


@pytest.fixture(params=["pytest", "behind another program", "unittest", "sympy"])
def bed(request, make_repository, test_bed):
    """Runner, repository, instance and test bed of one fault, for each runner."""
    runner = "pytest" if request.param == "behind another program" else request.param
    files = {"pytest": CALC, "unittest": UNITTEST_FILES, "sympy": SYMPY_FILES}[runner]
    folder, base = make_repository(files)
    row = calc_row(base, test_patch=hidden(files))
    if runner != "pytest":
        name = (
            "{} (tests.test_calc.CalcTests.{})"
            if sys.version_info >= (3, 11)
            else "{} (tests.test_calc.CalcTests)"
        )
        ids = [
            name.format(test, test) if runner == "unittest" else test for test in ("test_add", "test_double")
        ]
        row |= {"FAIL_TO_PASS": ids[:1], "PASS_TO_PASS": ids[1:]}
        test_bed = WordsTestBed(["python", "runtests.py" if runner == "unittest" else "bin/test"])
    elif request.param != "pytest":
        # As tox does: hides the variables but those that it is told of, and starts pytest itself.
        code = (
            "import os, subprocess, sys; "
            "kept = {name: os.environ[name] for name in ('PATH', 'PYTHONPATH')}; "
            "sys.exit(subprocess.call([sys.executable, '-m', 'pytest', '-rA'], env=kept))"
        )
        row["test_cmd"] = f'python -c "{code}"'
    return runner, opened(folder), Instance.from_row(row), test_bed


def patch(content):
    return unified_diff("calc.py", WRONG, content)


def test_the_right_patch_resolves_and_none_does_not(bed):
    _, git, instance, test_bed = bed
    found = certify(instance, git, test_bed=test_bed)
    assert found.certified, (found.gold.reason, found.empty.reason, found.gold.log)


@pytest.mark.parametrize("forge", [SAY, LATER], ids=["printed", "at the end"])
def test_what_a_wrong_patch_prints_resolves_nothing(bed, forge):
    runner, git, instance, test_bed = bed
    verdict = grade(instance, git, patch(forge.format(FORGED[runner]) + WRONG), test_bed=test_bed)
    assert not verdict.resolved
    if forge == LATER:
        assert not verdict.evidence and verdict.reason.startswith("no verdict: ")


def test_a_tree_that_leaves_before_its_tests_is_no_verdict(bed):
    runner, git, instance, test_bed = bed
    verdict = grade(instance, git, patch(SAY.format(FORGED[runner]) + LEAVE), test_bed=test_bed)
    assert not verdict.resolved and not verdict.evidence


def test_a_right_patch_may_print_what_it_likes_and_take_no_place_of_the_reporter(bed):
    runner, git, instance, test_bed = bed
    noisy = patch("print('PASSED', 'FAILED', 'ok')\nprint('some words')\n" + RIGHT)
    start = new("sitecustomize.py", SAY.format(FORGED[runner]) + LEAVE)
    verdict = grade(instance, git, start + noisy, test_bed=test_bed)
    assert verdict.resolved and verdict.evidence


@pytest.mark.parametrize(
    "hook",
    [
        "import pytest\n@pytest.hookimpl(hookwrapper=True, trylast=True)\n"
        "def pytest_runtest_makereport():\n    made = (yield).get_result()\n    made.outcome = 'passed'\n",
        "def pytest_runtest_logreport(report):\n    report.outcome = 'passed'\n"
        "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
        "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
        f"def pytest_unconfigure():\n    {SAY.format(FORGED['pytest'])}",
    ],
    ids=["report", "log", "exit code", "summary"],
)
def test_hooks_that_call_failures_passes_are_found_out(calc, test_bed, hook):
    git, instance = calc
    verdict = grade(instance, git, new("conftest.py", hook), test_bed=test_bed)
    assert not verdict.resolved and not verdict.evidence, verdict.reason


def test_a_suite_that_ran_no_test_and_one_that_nobody_heard_are_no_verdict(calc, test_bed):
    git, instance = calc
    for command, reason in (
        ("python -m pytest -rA -k nothing", "the test runner ran no test"),
        ("python -I -m pytest -rA", "no test runner was heard"),
        ("python -c pass", "no test runner was heard"),
    ):
        task = dataclasses.replace(instance.task, test_cmd=command)
        verdict = grade(dataclasses.replace(instance, task=task), git, FIX, test_bed=test_bed)
        assert not verdict.evidence and reason in verdict.reason
        assert verdict.applied and not verdict.resolved


def test_a_skipped_test_is_kept_but_resolves_nothing(calc, test_bed):
    git, instance = calc
    skip = "import pytest\n\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
    skip += "        if item.name == {!r}:\n            item.add_marker(pytest.mark.skip)\n"
    both = {}
    for name in ("test_add", "test_double"):
        both[name] = grade(instance, git, new("conftest.py", skip.format(name)) + FIX, test_bed=test_bed)
    assert not both["test_add"].resolved and set(both["test_add"].f2p.values()) == {Status.SKIPPED}
    assert both["test_double"].resolved and set(both["test_double"].p2p.values()) == {Status.SKIPPED}


def test_a_fault_of_the_machine_is_labelled_and_stays_unresolved(calc, test_bed):
    git, instance = calc
    say = "print('OSError: [Errno 28] No space left on device'); raise SystemExit(1)"
    task = dataclasses.replace(instance.task, test_cmd=f'python -c "{say}"')
    verdict = grade(dataclasses.replace(instance, task=task), git, FIX, test_bed=test_bed)
    assert verdict.infrastructure == "disk_full (environment)" and not verdict.resolved
    endless = grade(
        instance,
        git,
        patch(WRONG.replace("return a - b", "while True: pass")),
        test_bed=test_bed,
        timeout_s=2,
    )
    assert endless.infrastructure == "tests_timed_out (ambiguous)" and not endless.evidence


def test_existing_tests_are_not_passed_by_leaving_with_code_0(calc, test_bed):
    git, instance = calc
    left = patch(SAY.format(FORGED["pytest"]) + LEAVE + WRONG)
    found = run_existing_tests(instance.task, git, left, test_bed=test_bed)
    assert not found.ok and found.failed == ("tests/test_calc.py::test_double",)


def test_what_else_is_written_to_the_report_makes_it_worthless(calc, test_bed):
    git, instance = calc
    line = "for number in range(3, 300):\n    try:\n        os.write(number, b'[\"end\"]\\n')\n"
    line = "import os\n" + line + "    except OSError:\n        pass\n"
    verdict = grade(instance, git, patch(line + RIGHT), test_bed=test_bed)
    assert not verdict.evidence and "something else" in verdict.reason


def test_the_reporter_can_be_loaded_by_old_pythons():
    """By its grammar: no annotation of a variable, no f-string, as 3.5 has it."""
    import ast

    from swebench.running import hearing

    tree = ast.parse(hearing._REPORTER.read_text("utf-8"), feature_version=(3, 7))
    outside = [node for node in ast.walk(tree) if not isinstance(node, ast.If)]
    assert not any(isinstance(node, ast.AnnAssign | ast.JoinedStr | ast.NamedExpr) for node in outside)


def test_a_process_that_runs_no_tests_is_none_the_wiser(tmp_path):
    """Loading the reporter imports nothing that takes long."""
    from swebench.running.hearing import hearing

    with hearing(tmp_path / "reporter", tmp_path / "report") as reporter:
        code = "import sys; print('unittest' in sys.modules or 'inspect' in sys.modules, sys.gettrace())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(reporter.folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "False None\n" and not reporter.read().tests
