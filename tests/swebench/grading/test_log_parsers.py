import os
import subprocess
import sys

import pytest

from swebench.grading.log_parsers import LOG_PARSERS, parse_pytest, status_of
from swebench.running.hearing import Status

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


def test_a_cut_id_stands_for_all_it_may_mean_where_these_agree():
    statuses = {"a.py::t[x y]": Status.PASSED, "a.py::t[x z]": Status.FAILED, "a.py::t[w v]": Status.PASSED}
    assert status_of("a.py::t[x", statuses) is Status.MISSING
    assert status_of("a.py::t[w", statuses) is Status.PASSED
    assert status_of("a.py::t[x z", statuses) is Status.FAILED
    assert status_of("a.py::t[x y]", statuses) is Status.PASSED
    assert status_of("a.py::t", statuses) is Status.MISSING


def test_only_a_pass_and_an_expected_failure_pass():
    assert {status for status in Status if status.passes} == {Status.PASSED, Status.XFAIL}
    assert LOG_PARSERS["pytest"] is parse_pytest
