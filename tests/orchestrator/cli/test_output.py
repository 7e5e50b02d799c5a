"""What is said of a patch beside it."""

import pytest

from orchestrator.cli.output import print_result
from orchestrator.records import Result


@pytest.mark.parametrize(
    ("shown_by", "said"),
    [("the failing tests", "the fault is shown by the failing tests"), ("", "a guess"), (None, "")],
)
def test_a_patch_that_nothing_speaks_for_is_called_a_guess(capsys, shown_by, said):
    result = Result(instance_id="a-1", status="patched", patch="--- a\n", shown_by=shown_by)
    print_result(result)
    err = capsys.readouterr().err
    assert said in err and ("fault" in err) == bool(said)


def test_tests_that_a_patch_leaves_failing_are_named(capsys):
    failing = ("t.py::test_a", "test_b (t.T.test_b)\nWhat it does", "t.py::test_c", "t.py::test_d")
    print_result(Result(instance_id="a-1", status="patched", patch="--- a\n", still_failing=failing))
    said = "tests that fail without this patch and with it: 4"
    said += " (t.py::test_a, test_b (t.T.test_b), t.py::test_c, …)"
    assert said in capsys.readouterr().err.splitlines()
    print_result(Result(instance_id="a-1", status="patched", patch="--- a\n"))
    assert "with it" not in capsys.readouterr().err
