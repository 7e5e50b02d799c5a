"""What a queued request becomes when it is run."""

import pytest

from orchestrator.settings import Settings
from services.errors import Invalid
from services.settings import ServeSettings
from services.work.inputs import Inputs, TaskRequest
from tests.orchestrator.conftest import git


@pytest.mark.parametrize(("one_owner", "shared_by"), [(False, "ada"), (True, "")])
def test_the_job_of_a_task_is_its_owners_unless_all_keys_are_of_one(project, tmp_path, one_owner, shared_by):
    settings = ServeSettings(repositories={"abacus": project}, one_owner=one_owner)
    inputs = Inputs(Settings(cache=tmp_path), settings)
    stored = {"repository": "abacus", "commit": git(project, "rev-parse", "HEAD"), "problem_statement": "x"}
    assert inputs.job("ada", stored)[0].owner == shared_by


TEST = "from abacus.calc import mean\n\n\ndef test_mean():\n    assert mean([]) == 0\n"


def asking(project):
    commit = git(project, "rev-parse", "HEAD")
    return {
        "repository": "abacus",
        "commit": commit,
        "problem_statement": "mean fails",
        "run_tests": True,
    }


def inputs_of(project, cache, **more):
    return Inputs(Settings(cache=cache), ServeSettings(repositories={"abacus": project}, **more))


def test_the_tests_of_a_listed_repository_run_where_the_operator_allows_it(
    project, tmp_path, with_environments
):
    with_environments(tmp_path / "cache")
    (project / "test_calc.py").write_text(TEST)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Test")
    inputs = inputs_of(project, tmp_path / "cache", run_tests=True)
    assert inputs.check(TaskRequest.model_validate(asking(project)))[0] == "abacus"
    job, config = inputs.job("ada", asking(project))
    assert config.run_tests and job.tests.baseline.failing == ("test_calc.py::test_mean",)


def test_they_do_not_where_it_does_not_or_where_there_are_none(project, tmp_path):
    request = TaskRequest.model_validate(asking(project))
    with pytest.raises(Invalid, match="not allowed on this server"):
        inputs_of(project, tmp_path).check(request)
    with pytest.raises(Invalid, match=r"no tests were found in abacus at \w+: leave run_tests out"):
        inputs_of(project, tmp_path, run_tests=True).check(request)
