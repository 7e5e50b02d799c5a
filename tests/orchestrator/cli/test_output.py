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
