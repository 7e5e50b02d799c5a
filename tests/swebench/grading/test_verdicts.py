"""The rules of verdicts, certificates and existing tests, over runs that are told instead of run."""

import dataclasses
import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.data.tasks import Instance
from swebench.errors import NotGradeable, UnsafePath
from swebench.grading import verdicts
from swebench.grading.verdicts import (
    Proof,
    certify,
    ensure_gradeable,
    grade,
    run_existing_tests,
)
from swebench.running.hearing import Status
from tests.swebench.conftest import CALC, FIX, HERE, calc_row
from tests.swebench.grading.scripted import ToldBed, told_run

ADD, DOUBLE = "tests/test_calc.py::test_add", "tests/test_calc.py::test_double"
P, F, E, S, M = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED, Status.MISSING
RIGHT, WRONG = CALC["calc.py"].replace("a - b", "a + b"), CALC["calc.py"]
ANY = st.sampled_from(Status)


@pytest.fixture
def told(monkeypatch):
    """Makes a test bed of runs by the content of `calc.py`."""
    return functools.partial(ToldBed, monkeypatch)


def instance_of(f2p, p2p):
    return Instance.from_row(calc_row("a" * 40, FAIL_TO_PASS=list(f2p), PASS_TO_PASS=list(p2p)))


@given(f2p=st.lists(ANY, min_size=1, max_size=3), p2p=st.lists(ANY, max_size=3))
def test_resolved_is_when_all_that_failed_pass_and_all_that_passed_are_kept(f2p, p2p):
    statuses = {f"f{n}": status for n, status in enumerate(f2p)} | {f"p{n}": s for n, s in enumerate(p2p)}
    instance = instance_of([f"f{n}" for n in range(len(f2p))], [f"p{n}" for n in range(len(p2p))])
    run = told_run(statuses, seconds=2.5)
    found = verdicts._verdict(instance, statuses, run)
    bad = [
        sum(each not in {P, Status.XFAIL} for each in f2p),
        sum(each not in {P, Status.XFAIL, S} for each in p2p),
    ]
    assert found.resolved == (bad == [0, 0]) and found.applied and found.evidence
    assert (list(found.f2p.values()), list(found.p2p.values())) == (f2p, p2p)
    counted = f"{bad[0]} of {len(f2p)} FAIL_TO_PASS and {bad[1]} of {len(p2p)} PASS_TO_PASS tests do not pass"
    assert found.reason == ("all tests pass" if found.resolved else counted)
    assert (found.seconds, found.log, found.infrastructure) == (2.5, run.log, "")


@given(
    f2p=st.lists(ANY, min_size=1, max_size=3),
    p2p=st.lists(ANY, max_size=3),
    evidence=st.booleans(),
    gold=st.booleans(),
)
def test_an_instance_counts_where_gold_resolves_it_and_without_a_patch_nothing_but_its_faults_fails(
    f2p, p2p, evidence, gold
):
    statuses = {f"f{n}": status for n, status in enumerate(f2p)} | {f"p{n}": s for n, s in enumerate(p2p)}
    instance = instance_of([f"f{n}" for n in range(len(f2p))], [f"p{n}" for n in range(len(p2p))])
    empty = verdicts._verdict(instance, statuses, fault="" if evidence else "gone")
    proof = Proof(dataclasses.replace(empty, resolved=gold), empty)
    fails = not {P, Status.XFAIL} & set(f2p) and set(p2p) <= {P, Status.XFAIL, S}
    assert proof.gold_resolves is gold
    assert proof.empty_fails == (evidence and fails)
    assert proof.certified == (gold and evidence and fails)


def test_a_verdict_without_evidence_resolves_nothing_though_all_tests_seem_to_pass():
    statuses = {"f": P, "p": P}
    lost = told_run(statuses, log="words\nKilled\n")
    found = verdicts._verdict(instance_of("f", "p"), statuses, lost, fault="the log is short")
    assert not found.resolved and not found.evidence and found.applied
    assert found.reason == "no verdict: the log is short"
    assert found.infrastructure == "out_of_memory (environment)"
    late = told_run(statuses, log="words", timed_out=True)
    assert (
        verdicts._verdict(instance_of("f", "p"), statuses, late, fault="late").infrastructure
        == "tests_timed_out (ambiguous)"
    )
    plain = told_run(statuses, log="words")
    assert verdicts._verdict(instance_of("f", "p"), statuses, plain, fault="odd").infrastructure == ""


def test_the_hidden_tests_run_on_the_patched_tree_with_the_test_patch_over_it(calc, told):
    git, instance = calc
    bed = told(
        {RIGHT: told_run({ADD: P, DOUBLE: P}, seconds=3.0), WRONG: told_run({ADD: F, DOUBLE: P}, seconds=2.0)}
    )
    verdict = grade(instance, git, FIX, test_bed=bed, timeout_s=7.0)
    ((texts, command, timeout_s, within),) = bed.ran
    assert "test_add" in texts["tests/test_calc.py"] and bed.asked == [instance]
    assert (command, timeout_s, within) == (["the", "command"], 7.0, HERE)
    assert (
        verdict.resolved and verdict.applied and verdict.reason == "all tests pass" and verdict.seconds == 3.0
    )
    proof = certify(instance, git, test_bed=bed, timeout_s=8.0)
    assert [each[2] for each in bed.ran[1:]] == [8.0, 8.0] and proof.certified
    assert (proof.gold.seconds, proof.empty.seconds) == (3.0, 2.0) and proof.empty.applied
    certify(instance, git, test_bed=bed)
    assert bed.ran[-1][2] == verdicts.TIMEOUT_S == 900.0


def test_without_a_test_patch_the_tests_of_the_base_are_run(calc, told):
    git, instance = calc
    bed = told({RIGHT: told_run({DOUBLE: P})})
    old = dataclasses.replace(instance, test_patch="", fail_to_pass=(DOUBLE,), pass_to_pass=())
    assert grade(old, git, FIX, test_bed=bed).resolved
    assert bed.ran[0][0]["tests/test_calc.py"] == CALC["tests/test_calc.py"]


@pytest.mark.parametrize("blank", ["", " \n\t\n"])
def test_a_blank_patch_is_none_at_all(calc, told, blank):
    git, instance = calc
    bed = told({WRONG: told_run({ADD: F, DOUBLE: P})})
    verdict = grade(instance, git, blank, test_bed=bed)
    assert (
        verdict.applied and verdict.reason == "1 of 1 FAIL_TO_PASS and 0 of 1 PASS_TO_PASS tests do not pass"
    )


def test_a_log_that_says_otherwise_than_the_reporter_is_no_verdict_on_any_hidden_test(calc, told):
    git, instance = calc
    for test in (ADD, DOUBLE):
        both = {ADD: P, DOUBLE: P}
        bed = told({RIGHT: told_run(both, said=both | {test: F})})
        verdict = grade(instance, git, FIX, test_bed=bed)
        assert not verdict.resolved and not verdict.evidence and verdict.applied
        assert verdict.reason == f"no verdict: the log has FAILED for {test}, the reporter PASSED"
    late = told({RIGHT: told_run({ADD: P, DOUBLE: P}, timed_out=True)})
    verdict = grade(instance, git, FIX, test_bed=late, timeout_s=4.0)
    assert verdict.reason == "no verdict: the tests did not end within 4 s"


def test_a_patch_that_does_not_apply_runs_nothing_and_says_why(calc, told):
    git, instance = calc
    bed = told({})
    verdict = grade(instance, git, FIX.replace("a - b", "a * b"), test_bed=bed)
    assert bed.ran == [] and verdict.applied is False and not verdict.resolved and verdict.evidence
    assert verdict.reason.startswith("the patch does not apply: ") and "calc.py" in verdict.reason
    assert (verdict.f2p, verdict.p2p) == ({ADD: M}, {DOUBLE: M})
    assert (verdict.seconds, verdict.log, verdict.infrastructure) == (0.0, "", "")


def test_how_the_official_harness_took_a_patch_stands_beside_the_reason(calc, told):
    git, instance = calc
    bed = told({RIGHT: told_run({ADD: P, DOUBLE: P})})
    verdict = grade(instance, git, FIX.replace("\n", "\r\n"), test_bed=bed)
    assert verdict.resolved and verdict.applied
    assert verdict.reason.startswith("all tests pass; applied by `patch --fuzz=5`, since git apply says: ")


def test_a_tree_that_cannot_be_written_out_is_the_patch_s_fault_only_where_there_is_a_patch(calc, told):
    git, instance = calc
    unsafe = UnsafePath("leads out")
    bed = told({RIGHT: unsafe, WRONG: unsafe})
    verdict = grade(instance, git, FIX, test_bed=bed)
    assert verdict.applied is False and not verdict.resolved and verdict.f2p == {ADD: M}
    assert verdict.reason == "the patch cannot be used: leads out"
    with pytest.raises(UnsafePath, match="leads out"):
        grade(instance, git, "", test_bed=bed)


def test_a_test_patch_that_does_not_apply_is_the_row_s_fault_and_named(calc, told):
    git, instance = calc
    wrong = dataclasses.replace(instance, test_patch=FIX.replace("a - b", "q"))
    with pytest.raises(NotGradeable, match=r"^acme__calc-1: its test_patch does not apply: .*calc\.py"):
        grade(wrong, git, FIX, test_bed=told({}))


def existing(git, instance, runs, told, **options):
    bed = told(runs)
    return run_existing_tests(instance.task, git, FIX, test_bed=bed, **options), bed


def test_tests_that_all_pass_are_run_once(calc, told):
    git, instance = calc
    run = told_run({"a": P, "b": S, "c": Status.XFAIL}, seconds=2.0)
    found, bed = existing(git, instance, {RIGHT: run}, told, timeout_s=5.0)
    assert found.ok and found.passed == 2 and found.failed == () and found.run is run and found.seconds == 2.0
    assert found.statuses == run.heard.tests
    ((texts, command, timeout_s, within),) = bed.ran
    assert texts["tests/test_calc.py"] == CALC["tests/test_calc.py"]
    assert (command, timeout_s, within) == (["the", "command"], 5.0, HERE) and bed.asked == [
        (instance.task, ())
    ]


def test_tests_that_do_not_end_are_not_ok_and_not_run_again(calc, told):
    git, instance = calc
    run = told_run({"a": P}, timed_out=True)
    found, bed = existing(git, instance, {RIGHT: run}, told)
    assert not found.ok and found.passed == 1 and found.failed == () and len(bed.ran) == 1
    assert bed.ran[0][2] == verdicts.TIMEOUT_S


@pytest.mark.parametrize(
    ("before", "now", "broken"),
    [
        ({"a": P, "b": P}, {"a": F, "b": P}, ("a",)),
        ({"a": P, "b": P}, {"b": F}, ("a", "b")),
        ({"a": F, "b": Status.XFAIL}, {"a": F, "b": P}, ()),
        ({"a": P, "b": F}, {"a": S, "b": E}, ()),
        ({"a": P, "b": F}, {"a": Status.XPASS, "b": F}, ("a",)),
        ({"a": S, "b": F}, {"a": F, "b": F}, ()),
    ],
)
def test_only_what_passed_without_the_patch_is_held_against_it(calc, told, before, now, broken):
    git, instance = calc
    runs = {RIGHT: told_run(now, seconds=2.0), WRONG: told_run(before, seconds=3.0)}
    found, bed = existing(git, instance, runs, told, timeout_s=6.0)
    assert found.failed == broken and found.ok == (not broken) and found.seconds == 5.0
    assert found.run is runs[RIGHT] and [each[2] for each in bed.ran] == [6.0, 6.0]
    assert bed.ran[1][1] == ["the", "command"] and bed.ran[1][3] is HERE


@pytest.mark.parametrize(
    ("now", "before", "ok"),
    [
        # Tests were not run, in the same way as without the patch, or in another.
        (told_run({}, exit_code=5, fault="none"), told_run({}, exit_code=5, fault="none"), True),
        (told_run({}, exit_code=5, fault="none"), told_run({}, exit_code=4, fault="none"), False),
        (told_run({}, exit_code=5, fault="none"), told_run({}, exit_code=5, fault="other"), False),
        (told_run({}, exit_code=0, fault="none"), told_run({}, exit_code=1, fault="none"), False),
        # They failed before too, but now it can be told what became of them.
        (told_run({"a": F}), told_run({"a": F}, exit_code=2, fault="none"), True),
        (told_run({"a": F}), told_run({"a": F}, timed_out=True), False),
    ],
)
def test_a_run_that_is_no_evidence_is_ok_only_where_it_ended_as_without_the_patch(
    calc, told, now, before, ok
):
    git, instance = calc
    found, _ = existing(git, instance, {RIGHT: now, WRONG: before}, told)
    assert found.ok == ok and found.failed == ()


def test_where_nothing_was_heard_the_log_is_read(calc, told):
    git, instance = calc
    runs = {
        RIGHT: told_run({}, said={"a": F, "b": P}, exit_code=1, fault="no runner"),
        WRONG: told_run({}, said={"a": P, "b": P}, exit_code=0, fault="no runner"),
    }
    found, _ = existing(git, instance, runs, told)
    assert (
        found.failed == ("a",) and found.passed == 1 and found.statuses == {"a": F, "b": P} and not found.ok
    )


def test_a_row_without_a_command_has_the_tests_near_the_patch_run_and_another_all_of_them(calc, told):
    git, instance = calc
    task = dataclasses.replace(instance.task, test_cmd=None)
    bed = told({RIGHT: told_run({"a": P})})

    def nearest(patch):
        return [f"near {len(patch)}"]

    assert run_existing_tests(task, git, FIX, test_bed=bed, nearest=nearest).ok
    assert run_existing_tests(instance.task, git, FIX, test_bed=bed, nearest=nearest).ok
    assert run_existing_tests(task, git, FIX, test_bed=bed).ok
    assert [near for _, near in bed.asked] == [[f"near {len(FIX)}"], (), ()]


NAME, IMAGE = "acme__calc-1", " (its own harness runs image acme/x)"
LACKS = "so it cannot be graded{}: use rows with all columns of SWE-bench, or add a test_cmd and a log_parser"


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"language": "Rust"}, f"{NAME} is a task in rust: only Python's tests are run here"),
        ({"FAIL_TO_PASS": []}, f"{NAME}: FAIL_TO_PASS is empty, so no patch could be told from none"),
        ({"test_cmd": None}, f"{NAME} has no version, {LACKS.format('')}"),
        (
            {"test_cmd": None, "version": "1", "test_patch": ""},
            f"{NAME} has no test_patch, {LACKS.format('')}",
        ),
        (
            {"test_cmd": None, "test_patch": "", "image": "acme/x"},
            f"{NAME} has no version and no test_patch, {LACKS.format(IMAGE)}",
        ),
        (
            {"log_parser": "django"},
            f"{NAME}: log_parser 'django' is unknown here: use pytest, parse_log_pytest, parse_log_pytest_v2",
        ),
        (
            {"test_cmd": "no-such-program"},
            "test command 'no-such-program' names no program of its environment: begin it with python or "
            "pytest, or with a path",
        ),
    ],
)
def test_why_an_instance_cannot_be_graded_names_what_it_lacks(columns, why):
    with pytest.raises(NotGradeable) as raised:
        ensure_gradeable(Instance.from_row(calc_row("a" * 40) | columns))
    assert str(raised.value) == why


@pytest.mark.parametrize(
    "columns",
    [{}, {"language": "Python"}, {"log_parser": "parse_log_pytest"}, {"test_cmd": None, "version": "1"}],
)
def test_an_instance_that_says_how_its_tests_are_run_is_gradeable(columns):
    ensure_gradeable(Instance.from_row(calc_row("a" * 40) | columns))


def test_what_cannot_be_graded_asks_no_test_bed(calc, told):
    git, instance = calc
    bed = told({})
    with pytest.raises(NotGradeable, match="FAIL_TO_PASS is empty"):
        grade(dataclasses.replace(instance, fail_to_pass=()), git, FIX, test_bed=bed)
    assert bed.asked == [] and bed.ran == []
