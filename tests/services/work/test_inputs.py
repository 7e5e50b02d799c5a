"""What a queued request becomes when it is run."""

import pytest

from orchestrator.settings import Settings
from services.settings import ServeSettings
from services.work.inputs import Inputs
from tests.orchestrator.conftest import git


@pytest.mark.parametrize(("one_owner", "shared_by"), [(False, "ada"), (True, "")])
def test_the_job_of_a_task_is_its_owners_unless_all_keys_are_of_one(project, tmp_path, one_owner, shared_by):
    settings = ServeSettings(repositories={"abacus": project}, one_owner=one_owner)
    inputs = Inputs(Settings(cache=tmp_path), settings)
    stored = {"repository": "abacus", "commit": git(project, "rev-parse", "HEAD"), "problem_statement": "x"}
    assert inputs.job("ada", stored)[0].owner == shared_by
