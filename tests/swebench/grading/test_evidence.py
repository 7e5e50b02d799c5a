"""Reporter, log and exit code: where they agree a run is evidence, and where they do not it says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.grading.evidence import Readings, disagreement, merged
from swebench.running.hearing import Status
from tests.swebench.grading.scripted import told_run

NAMES = st.sampled_from(["t.py::a", "t.py::b", "t.py::c", "t.py::d[1]"])
STATUSES = st.dictionaries(NAMES, st.sampled_from(Status))
LONG = "t.py::" + "n" * 300
P, F, S = Status.PASSED, Status.FAILED, Status.SKIPPED


@given(st.lists(STATUSES, max_size=5))
def test_of_many_readings_a_test_has_the_worst_where_all_agree_on_whether_it_passes(readings):
    found = merged(readings)
    assert found.keys() == {name for reading in readings for name in reading}
    for name, status in found.items():
        read = [reading[name] for reading in readings if name in reading]
        agree = len({each.passes for each in read}) == 1
        assert status is (min(read, key=list(Status).index) if agree else Status.MISSING)


@given(heard=STATUSES, said=STATUSES, exit_code=st.sampled_from([0, 1, 2, -9]), asked=st.sets(NAMES))
def test_a_run_is_evidence_exactly_where_log_reporter_and_exit_code_agree(heard, said, exit_code, asked):
    run = told_run(heard, exit_code=exit_code)
    why = disagreement(run, Readings(said, heard), sorted(asked), 10.0)
    failed = any(status in {Status.FAILED, Status.ERROR} for status in heard.values())
    missing = Status.MISSING
    same = all(said.get(test, missing).passes == heard.get(test, missing).passes for test in asked)
    assert (why == "") == (failed == (exit_code != 0) and same)


@pytest.mark.parametrize(
    ("run", "said", "why"),
    [
        (told_run({"a": P}, timed_out=True), {}, "the tests did not end within 2.5 s"),
        (told_run({}, log="one\nlast\n\n", fault="gone", exit_code=3), {}, "gone (exit code 3): last"),
        (told_run({}, log=" \n", fault="gone"), {}, "gone (exit code 0): no output"),
        (told_run({}, log="x" * 300, fault="gone"), {}, f"gone (exit code 0): {'x' * 200}"),
        (
            told_run({LONG: P}, exit_code=4),
            {},
            "the command ended with exit code 4, but no test failed",
        ),
        (
            told_run({"a": P, LONG: F, "b": F}, exit_code=0),
            {},
            f"the command ended with exit code 0, but 2 tests failed, such as {LONG[:200]}",
        ),
        (told_run({LONG: P}), {LONG: S}, f"the log has SKIPPED for {LONG[:200]}, the reporter PASSED"),
        (told_run({LONG: S}), {LONG: P}, f"the log has PASSED for {LONG[:200]}, the reporter SKIPPED"),
        (told_run({LONG: S}), {LONG: Status.XPASS}, ""),
    ],
)
def test_why_a_run_is_no_evidence_is_one_short_line(run, said, why):
    assert disagreement(run, Readings(said, dict(run.heard.tests)), [LONG], 2.5) == why
