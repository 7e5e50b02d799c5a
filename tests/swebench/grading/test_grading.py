import dataclasses

import pytest

from swebench.data.tasks import Instance
from swebench.errors import GitFailed, NotGradeable, PatchDoesNotApply
from swebench.grading.verdicts import certify, ensure_gradeable, grade, run_existing_tests
from swebench.patches.diffs import unified_diff
from swebench.running.hearing import Status
from tests.swebench.conftest import CALC, FIX, calc_row, opened, run_git

ADD, DOUBLE = "tests/test_calc.py::test_add", "tests/test_calc.py::test_double"


def rewrite(old: str, new: str) -> str:
    return unified_diff("calc.py", CALC["calc.py"], CALC["calc.py"].replace(old, new))


def test_the_gold_patch_resolves_and_an_empty_one_does_not(calc, test_bed):
    git, instance = calc
    certificate = certify(instance, git, test_bed=test_bed)
    assert certificate.certified and certificate.gold_resolves and certificate.empty_fails
    assert certificate.gold.f2p == {ADD: Status.PASSED} and certificate.gold.p2p == {DOUBLE: Status.PASSED}
    assert certificate.empty.f2p == {ADD: Status.FAILED} and not certificate.empty.resolved
    assert certificate.gold.seconds > 0 and "test_add" in certificate.gold.log


def test_a_patch_that_breaks_what_passed_does_not_resolve(calc, test_bed):
    git, instance = calc
    both = unified_diff(
        "calc.py", CALC["calc.py"], CALC["calc.py"].replace("a - b", "a + b").replace("2 * a", "3 * a")
    )
    verdict = grade(instance, git, both, test_bed=test_bed)
    assert not verdict.resolved and verdict.applied and verdict.f2p == {ADD: Status.PASSED}
    assert verdict.reason == "0 of 1 FAIL_TO_PASS and 1 of 1 PASS_TO_PASS tests do not pass"


def test_a_patch_that_does_not_apply_is_a_verdict_and_runs_nothing(calc, test_bed):
    git, instance = calc
    verdict = grade(instance, git, FIX.replace("a - b", "a * b"), test_bed=test_bed)
    assert not verdict.applied and not verdict.resolved and "does not apply" in verdict.reason
    assert verdict.f2p == {ADD: Status.MISSING} and verdict.log == ""


def test_a_patch_that_the_official_harness_takes_is_graded_and_the_verdict_names_how(calc, test_bed):
    git, instance = calc
    verdict = grade(instance, git, FIX.replace("\n", "\r\n"), test_bed=test_bed)
    assert verdict.applied and verdict.resolved
    assert "applied by `patch --fuzz=5`, since git apply says" in verdict.reason


def test_an_object_that_the_repository_lacks_is_no_verdict_on_the_patch(calc, test_bed):
    git, instance = calc
    blob = run_git(git.directory.parent, "rev-parse", "HEAD:calc.py")
    (git.directory / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitFailed, match="fetch --refetch"):
        grade(instance, git, FIX, test_bed=test_bed)


def test_a_patch_cannot_rewrite_the_hidden_tests(calc, test_bed):
    git, instance = calc
    before = CALC["tests/test_calc.py"]
    cheat = unified_diff("tests/test_calc.py", before, before + "\n\ndef test_add():\n    pass\n")
    verdict = grade(instance, git, cheat, test_bed=test_bed)
    assert verdict.applied and verdict.f2p == {ADD: Status.FAILED} and not verdict.resolved
    assert grade(instance, git, cheat + FIX, test_bed=test_bed).resolved


def test_a_patch_that_does_not_parse_fails_its_tests(calc, test_bed):
    git, instance = calc
    verdict = grade(instance, git, rewrite("return a - b", "return ("), test_bed=test_bed)
    assert verdict.applied and not verdict.resolved and verdict.f2p == {ADD: Status.MISSING}


def test_tests_that_do_not_end_are_not_passed(calc, test_bed):
    git, instance = calc
    verdict = grade(
        instance, git, rewrite("return a - b", "while True: pass"), timeout_s=2, test_bed=test_bed
    )
    assert not verdict.resolved and "did not end within 2 s" in verdict.reason


def test_a_run_without_any_test_says_how_it_ended(calc, test_bed):
    git, instance = calc
    command = dataclasses.replace(instance.task, test_cmd="python -m pytest -rA --no-such-option")
    verdict = grade(dataclasses.replace(instance, task=command), git, FIX, test_bed=test_bed)
    assert not verdict.resolved and not verdict.evidence
    assert "no verdict: the test runner ran no test (exit code 4)" in verdict.reason


def test_an_instance_whose_tests_prove_nothing_is_not_certified(calc, test_bed):
    git, instance = calc
    idle = dataclasses.replace(instance, fail_to_pass=(DOUBLE,), pass_to_pass=())
    certificate = certify(idle, git, test_bed=test_bed)
    assert certificate.gold_resolves and not certificate.empty_fails and not certificate.certified


@pytest.mark.parametrize(
    "columns",
    [
        {"test_cmd": None},
        {"log_parser": None},
        {"log_parser": "parse_log_django"},
        {"FAIL_TO_PASS": []},
        {"test_cmd": "no-such-program"},
        {"test_cmd": "python 'x"},
    ],
)
def test_an_instance_that_cannot_be_graded_here_is_refused_in_one_line(columns):
    with pytest.raises(NotGradeable) as raised:
        ensure_gradeable(Instance.from_row(calc_row("a" * 40, **columns)))
    assert isinstance(raised.value, ValueError) and "\n" not in str(raised.value)


def test_a_test_patch_that_does_not_apply_is_the_row_s_fault(calc, test_bed):
    git, instance = calc
    with pytest.raises(NotGradeable, match="test_patch"):
        wrong = dataclasses.replace(instance, test_patch=FIX.replace("a - b", "q"))
        grade(wrong, git, FIX, test_bed=test_bed)


def test_existing_tests_pass_on_a_sound_patch_and_hidden_ones_are_not_seen(calc, test_bed):
    git, instance = calc
    found = run_existing_tests(instance.task, git, FIX, test_bed=test_bed)
    assert found.ok and found.passed == 1 and found.failed == () and set(found.statuses) == {DOUBLE}
    assert "test_add" not in found.run.log and found.seconds == found.run.seconds


def test_existing_tests_name_what_a_patch_breaks(calc, test_bed):
    git, instance = calc
    found = run_existing_tests(instance.task, git, rewrite("2 * a", "3 * a"), test_bed=test_bed)
    assert not found.ok and found.failed == (DOUBLE,) and found.passed == 0


def test_tests_that_are_gone_count_as_broken(calc, test_bed):
    git, instance = calc
    found = run_existing_tests(instance.task, git, rewrite("def double", "def twice"), test_bed=test_bed)
    assert not found.ok and found.failed == (DOUBLE,)


def test_a_test_that_failed_before_is_not_held_against_the_patch(make_repository, test_bed):
    git, base = make_repository({**CALC, "tests/test_old.py": "def test_old():\n    assert 0\n"})
    task = Instance.from_row(calc_row(base)).task
    found = run_existing_tests(task, opened(git), FIX, test_bed=test_bed)
    assert found.ok and found.failed == () and found.statuses["tests/test_old.py::test_old"] is Status.FAILED
    assert found.seconds > found.run.seconds


def test_existing_tests_that_do_not_end_are_not_ok(calc, test_bed):
    git, instance = calc
    found = run_existing_tests(
        instance.task, git, rewrite("return 2 * a", "while True: pass"), timeout_s=2, test_bed=test_bed
    )
    assert not found.ok and found.run.timed_out


def test_existing_tests_need_a_command_and_a_patch_that_applies(calc, test_bed):
    git, instance = calc
    with pytest.raises(NotGradeable):
        run_existing_tests(dataclasses.replace(instance.task, test_cmd=None), git, FIX, test_bed=test_bed)
    with pytest.raises(PatchDoesNotApply):
        run_existing_tests(instance.task, git, "nonsense", test_bed=test_bed)
