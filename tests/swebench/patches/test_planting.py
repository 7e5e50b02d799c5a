"""A fault put into a repository by a patch, as rows of SWE-smith do."""

import pytest

from retrieval.gitio import Git
from swebench.errors import PatchDoesNotApply
from swebench.patches.diffs import unified_diff
from swebench.patches.planting import plant
from swebench.patches.trees import Scratch
from tests.swebench.conftest import CALC, opened, run_git

RIGHT = CALC["calc.py"].replace("a - b", "a + b")
FAULT = unified_diff("calc.py", RIGHT, CALC["calc.py"])
TEST = "tests/test_calc.py"


@pytest.fixture
def planted(make_repository, tmp_path):
    folder, base = make_repository({**CALC, "calc.py": RIGHT})
    beside = Git(tmp_path / "beside.git")
    before = run_git(folder, "count-objects")
    found = plant(opened(folder), beside, base, FAULT, [TEST])
    assert run_git(folder, "count-objects") == before
    assert plant(opened(folder), beside, base, FAULT, [TEST]) == found
    return beside, base, found


def test_the_base_has_the_fault_and_not_the_tests_that_it_breaks(planted):
    beside, base, found = planted
    with Scratch(beside, found.commit) as scratch:
        paths = {entry.path for entry in scratch.entries(scratch.base)}
        assert paths == {"calc.py"}
        tested = scratch.apply(found.test_patch, scratch.base)
        assert {change.path for change in scratch.changes(scratch.base, tested)} == {TEST}
        healed = scratch.apply(found.gold, tested)
    with Scratch(beside, base) as origin:
        assert origin.base == healed


def test_a_fault_that_does_not_apply_is_told(planted):
    beside, base, _ = planted
    with pytest.raises(PatchDoesNotApply, match="puts the fault in"):
        plant(beside, Git(beside.directory.parent / "other.git"), base, FAULT.replace("a + b", "a * b"), [])
