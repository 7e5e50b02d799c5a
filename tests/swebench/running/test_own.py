"""The environment of rows that name their own test command."""

import pytest

from swebench.patches.trees import Scratch
from swebench.running.own import PACKAGES, own_environment
from swebench.running.runner import isolation, parse_command, run_tests
from tests.swebench.conftest import opened


@pytest.fixture
def run(make_repository, test_bed, cache_dir):
    """Runs a command in a repository of one script, in that environment."""
    del test_bed  # it makes the environment

    def run(command, script):
        folder, base = make_repository({"test_script.py": script})
        with Scratch(opened(folder), base) as scratch:
            within = own_environment(cache_dir).surroundings
            return run_tests(scratch, scratch.base, parse_command(command), 60, within)

    return run


def test_it_has_pytest_of_the_version_named_and_nothing_of_ours(run):
    script = (
        "import importlib.util, sys\nfrom importlib.metadata import distributions\n"
        "print(sorted(f\"{d.metadata['Name']}=={d.version}\" for d in distributions()))\n"
        "print([name for name in ('numpy', 'torch', 'click') if importlib.util.find_spec(name)])\n"
    )
    log = run("python test_script.py", script).log
    assert all(package in log for package in PACKAGES)
    assert log.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["pytest -q", "python -m pytest -q", "python3 -m pytest -q"])
def test_the_usual_ways_to_call_pytest_work(run, command):
    found = run(command, "def test_it():\n    pass\n")
    assert found.exit_code == 0
    assert "1 passed" in found.log


@pytest.mark.skipif(not isolation(), reason="this user may not make namespaces")
def test_what_runs_in_it_cannot_change_it(run, cache_dir):
    (folder,) = own_environment(cache_dir).surroundings.kept
    found = run("python test_script.py", f"open({str(folder / 'mine')!r}, 'w')\n")
    assert found.exit_code == 1
    assert "Read-only file system" in found.log
    assert not (folder / "mine").exists()
