import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.grading.log_parsers import LOG_PARSERS, parse_pytest, status_of
from swebench.running.hearing import Status
from tests.swebench.grading.scripted import SUMMARY

TESTS = """
import pytest

@pytest.mark.parametrize("value", ["plain", "with space", "a - b", "[x] - y", "é", "a::b", "t\\tn\\nl", ""])
def test_param(value):
    pass

@pytest.mark.parametrize("value", ["with space", "a - b", "[x]"])
def test_fails(value):
    assert value == "FAILED test_sample.py::test_liar - [no]"

def test_passes():
    print("=========================== short test summary info ============================")
    print("FAILED test_sample.py::test_passes")
    print("PASSED test_sample.py::test_liar")

@pytest.fixture
def broken():
    yield
    raise RuntimeError("teardown - [failed]")

def test_teardown(broken):
    pass

@pytest.fixture
def worse():
    raise RuntimeError

def test_setup(worse):
    pass

@pytest.mark.skip(reason="PASSED test_sample.py::test_skipped")
def test_skipped():
    pass

@pytest.mark.xfail(reason="see [1] - later")
def test_known():
    assert 0

@pytest.mark.xfail
def test_fixed():
    pass

class TestGroup:
    def test_inside(self):
        pass
"""


@pytest.fixture(scope="module", params=["no", "yes"], ids=["plain", "coloured"])
def statuses(request, tmp_path_factory):
    """What is read from the log of a real run."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "test_sample.py").write_text(TESTS, "utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", f"--color={request.param}"]
    # The plugins of this environment take longer to load than the tests to run.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    return {
        test.removeprefix("test_sample.py::"): status
        for test, status in parse_pytest(done.stdout.decode()).items()
    }


def test_every_kind_of_outcome_is_read_from_a_real_log(statuses):
    assert statuses["test_passes"] is Status.PASSED
    assert statuses["TestGroup::test_inside"] is Status.PASSED
    assert statuses["test_known"] is Status.XFAIL
    assert statuses["test_fixed"] is Status.XPASS
    assert statuses["test_setup"] is Status.ERROR
    assert {status for test, status in statuses.items() if test.startswith("test_fails")} == {Status.FAILED}


def test_parameters_with_spaces_dashes_and_brackets_are_part_of_the_id(statuses):
    assert {f"test_param[{each}]" for each in ("plain", "with space", "a - b", "a::b", "")} <= set(statuses)
    assert {"test_fails[with space]", "test_fails[a - b]", "test_fails[[x]]"} <= set(statuses)
    assert sum(test.startswith("test_param[") for test in statuses) == 8


def test_a_test_whose_teardown_fails_does_not_pass(statuses):
    assert statuses["test_teardown"] is Status.ERROR and not statuses["test_teardown"].passes


def test_what_a_test_prints_is_not_taken_for_a_result(statuses):
    assert "test_liar" not in statuses and "test_skipped" not in statuses


def test_a_log_without_a_summary_says_nothing():
    assert parse_pytest("") == parse_pytest("PASSED a.py::b\nTraceback\n") == {}


ODD = st.lists(st.sampled_from(["a", " ", "-", "[", "]", ":", "é", " - ", "] - "]), max_size=8).map("".join)
IDS = st.builds(
    lambda name, parameters: f"t.py::{name}" + ("" if parameters is None else f"[{parameters}]"),
    st.text("abc", min_size=1, max_size=2),
    st.none() | ODD.filter(lambda text: "] - " not in text),
)
OUTCOMES = st.sampled_from([each for each in Status if each is not Status.SKIPPED])
LINES = st.lists(st.tuples(OUTCOMES, IDS, st.none() | ODD), max_size=6)


def lines_of(outcomes):
    """The lines of a summary: some have a message, of which anything may be part."""
    return [f"{word} {test}" + ("" if said is None else f" - {said}") for word, test, said in outcomes]


@given(earlier=LINES, last=LINES)
def test_the_last_summary_is_read_back_with_the_worst_of_each_test(earlier, last):
    skipped = ["SKIPPED [1] t.py:3: no", "= 3 passed in 0.01s ="]
    log = ["PASSED t.py::x", SUMMARY, *lines_of(earlier), SUMMARY, *lines_of(last), *skipped]
    found = parse_pytest("\n".join(log))
    assert found.keys() == {test for _, test, _ in last}
    for test, status in found.items():
        assert status is min((word for word, name, _ in last if name == test), key=list(Status).index)


@pytest.mark.parametrize("word", ["passed", "PASS", "PASSED:", "", "XX"])
def test_a_line_of_a_summary_that_begins_with_no_outcome_is_none(word):
    assert parse_pytest(f"{SUMMARY}\n{word} t.py::a") == {}


@given(
    shown=st.dictionaries(st.sampled_from(["t[a b]", "t[a c]", "t[d]]", "t[", "u"]), st.sampled_from(Status))
)
def test_a_cut_id_has_the_worst_status_of_all_it_may_mean_where_these_agree_on_passing(shown):
    for cut in ("t[a", "t[d", "t[d]", "t[q", "t[", "t", "u", "t[a b]"):
        open_bracket = cut.startswith("t[") and not cut.endswith("]")
        meant = [shown[name] for name in shown if open_bracket and name.startswith(cut)]
        agree = len({status.passes for status in meant}) == 1
        worst = min(meant, key=list(Status).index) if agree else Status.MISSING
        assert status_of(cut, shown) is shown.get(cut, worst)


def test_a_cut_id_stands_for_all_it_may_mean_where_these_agree():
    statuses = {"a.py::t[x y]": Status.PASSED, "a.py::t[x z]": Status.FAILED, "a.py::t[w v]": Status.PASSED}
    assert status_of("a.py::t[x", statuses) is Status.MISSING
    assert status_of("a.py::t[w", statuses) is Status.PASSED
    assert status_of("a.py::t[x z", statuses) is Status.FAILED
    assert status_of("a.py::t[x y]", statuses) is Status.PASSED
    assert status_of("a.py::t", statuses) is Status.MISSING


def test_only_a_pass_and_an_expected_failure_pass():
    assert {status for status in Status if status.passes} == {Status.PASSED, Status.XFAIL}
    assert LOG_PARSERS.keys() == {"pytest", "parse_log_pytest", "parse_log_pytest_v2"}
    assert set(LOG_PARSERS.values()) == {parse_pytest}
