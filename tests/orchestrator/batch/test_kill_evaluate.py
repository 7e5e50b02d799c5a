"""A batch that is killed at random moments ends as one that was not; `kill_evaluate` does it more often."""

import json
import subprocess
import sys

import pytest

KILLS = 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_moments_change_no_byte_and_repeat_no_finished_instance(tiny_model):
    command = [sys.executable, "-m", "tests.orchestrator.batch.kill_evaluate"]
    done = subprocess.run(
        [*command, "--kills", str(KILLS), "--model", tiny_model], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == KILLS
    assert found["kills_of_a_batch_with_finished_instances"] > 0
