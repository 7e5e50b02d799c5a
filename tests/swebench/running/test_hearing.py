"""What a report is worth: lines that bear the key in the order of a run, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.running.hearing import RANK, Heard, Status, hearing

ANY = st.sampled_from(Status)
NAMES = st.sampled_from(["t.py::a", "t.py::b[é \u2028]", "c\n(m.C)"])
GONE = "the process that ran the tests ended before its reporter could"


@pytest.fixture
def report(tmp_path):
    """A new reporter, with what writes its report as the process of a test runner does."""
    with hearing(tmp_path / "reporter", tmp_path / "report") as heard:
        path = tmp_path / "report"
        key = path.read_bytes()

        def write(*said, whole=True, more=b""):
            lines = b"".join(key + json.dumps(each).encode() + b"\n" for each in said)
            path.write_bytes((lines if whole else lines[:-4]) + more)
            return heard.read()

        yield write


def test_where_no_runner_has_taken_the_report_nobody_was_heard(tmp_path):
    with hearing(tmp_path / "reporter", tmp_path / "report") as heard:
        assert heard.read() == Heard() and heard.read().runner == ""
        assert heard.folder == tmp_path / "reporter"
        assert heard.read().fault.startswith("no test runner was heard: ") and not heard.read().tests
        code = (tmp_path / "reporter" / "sitecustomize.py").read_text("utf-8")
        assert code.endswith(f"\n\nlisten({str(tmp_path / 'report')!r})\n")


def test_no_two_reports_have_the_same_key(tmp_path):
    keys = set()
    for name in "ab":
        with hearing(tmp_path / name, tmp_path / f"{name}.report"):
            keys.add((tmp_path / f"{name}.report").read_bytes())
    assert len(keys) == 2 and all(len(key) == 33 and key.endswith(b" ") for key in keys)


@given(said=st.lists(st.tuples(NAMES, ANY), min_size=1, max_size=6))
def test_a_test_of_which_several_things_are_said_has_the_worst(report, said):
    found = report(["runner", "pytest"], *(["test", *each] for each in said), ["end"])
    assert found.runner == "pytest" and found.fault == ""
    assert found.tests == {
        name: min((status for each, status in said if each == name), key=list(Status).index)
        for name, _ in said
    }


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ([["runner", "sympy"], ["test", "a", "PASSED"]], GONE),
        ([["runner", "sympy"]], GONE),
        ([["runner", "sympy"], ["end"]], "the test runner ran no test"),
        ([["runner", "sympy"], ["end"], ["test", "a", "PASSED"]], GONE),
        (
            [
                ["runner", "sympy"],
                ["test", "a", "PASSED"],
                ["overruled", "b" * 300],
                ["overruled", "c"],
                ["end"],
            ],
            f"a hook of the tree let a test pass that raised an error: {'b' * 200}",
        ),
        (
            [["runner", "sympy"], ["overruled", "b"]],
            "a hook of the tree let a test pass that raised an error: b",
        ),
        ([["runner", "sympy"], ["test", "a", "PASSED"], ["end"]], ""),
    ],
)
def test_a_report_without_tests_or_end_or_with_a_hook_s_word_is_no_evidence(report, said, fault):
    found = report(*said)
    assert found.runner == "sympy" and found.fault == fault


def test_a_report_that_was_taken_and_never_written_or_cut_off_in_a_line_has_no_end(report):
    assert report() == Heard("", {}, GONE)
    said = [["runner", "unittest"], ["test", "a", "PASSED"], ["end"]]
    assert (
        report(*said, whole=False)
        == report(*said, more=b"x")
        == Heard("unittest", {"a": Status.PASSED}, GONE)
    )


@pytest.mark.parametrize("more", [b'["end"]\n', b"\n", b"\xff\n"])
def test_one_line_of_somebody_else_makes_a_report_worthless(report, more):
    found = report(["runner", "pytest"], ["test", "a", "PASSED"], ["end"], more=more)
    assert found == Heard(fault="something else than the reporter wrote to its report")


WORDS = {
    "unittest": {
        Status.PASSED: "a ... ok",
        Status.FAILED: "a ... FAIL",
        Status.ERROR: "a ... ERROR",
        Status.SKIPPED: "a ... skipped ''",
        Status.XFAIL: "a ... expected failure",
        Status.XPASS: "a ... unexpected success",
    },
    "sympy": {Status.PASSED: "a ok", Status.FAILED: "a F", Status.ERROR: "a E"},
    "pytest": {status: f"{status} a" for status in Status},
}


@pytest.mark.parametrize("runner", WORDS)
@pytest.mark.parametrize("status", Status)
def test_a_test_is_told_in_the_words_of_its_runner_where_that_has_a_word(runner, status):
    said = [WORDS[runner][status]] if status in WORDS[runner] else []
    assert Heard(runner, {"a": status}).lines() == said


def test_of_outcomes_two_pass_two_end_a_runner_with_an_error_and_all_have_a_rank():
    assert {status for status in Status if status.passes} == {Status.PASSED, Status.XFAIL}
    assert {status for status in Status if status.fails} == {Status.FAILED, Status.ERROR}
    ranked = ["MISSING", "ERROR", "FAILED", "SKIPPED", "XPASS", "XFAIL", "PASSED"]
    assert sorted(Status, key=RANK.__getitem__) == ranked


def test_a_line_that_another_was_written_into_makes_a_report_worthless(tmp_path):
    with hearing(tmp_path / "reporter", tmp_path / "report") as heard:
        key = (tmp_path / "report").read_bytes()
        (tmp_path / "report").write_bytes(key + b'["runner", "py' + key + b'["end"]\n')
        assert heard.read() == Heard(fault="something else than the reporter wrote to its report")
