"""The official harness in containers: what it is given and what is read of its reports, without an engine."""

import json

import pytest

from swebench.data.predictions import Prediction
from swebench.data.tasks import Instance
from swebench.errors import EnvironmentUnavailable
from swebench.grading import docker
from swebench.grading.official.client import HARNESS, Official
from tests.swebench.conftest import calc_row

NEWER = {"image": "acme/calc", "eval_script": "pytest -rA", "log_parser": "x", "eval_type": "pass_and_fail"}
FAKE = """
import json, pathlib, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
rows = [json.loads(line) for line in open(given["--dataset_name"])]
assert set(rows[0]) >= {"image", "eval_script", "log_parser", "eval_type", "FAIL_TO_PASS"}, rows[0]
name = rows[0]["instance_id"]
folder = pathlib.Path("logs/run_evaluation", given["--run_id"], "m", name)
folder.mkdir(parents=True)
report = {"resolved": False, "patch_successfully_applied": False, "infra_failure": True,
          "infra_failure_reason": "out_of_memory"}
(folder / "report.json").write_text(json.dumps({name: report}))
"""


def test_reports_are_read_with_their_labels_and_older_rows_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(docker, "ensure_engine", lambda: None)
    python = tmp_path / "python"
    (tmp_path / "fake.py").write_text(FAKE)
    python.write_text(f'#!/bin/sh\nshift 3\nexec python3 {tmp_path}/fake.py "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(Official, "harness", lambda self: python)
    newer = Instance.from_row(calc_row("a" * 40) | NEWER)
    older = Instance.from_row(calc_row("a" * 40, instance_id="acme__calc-2"))
    predictions = {each.instance_id: Prediction(each.instance_id, "m", "p") for each in (newer, older)}
    assert docker.lacking(newer) == [] and docker.lacking(older) == ["image", "eval_script", "eval_type"]
    found = docker.run_harness(tmp_path, [newer, older], predictions, 60)
    assert found.keys() == {"acme__calc-1"} and not found["acme__calc-1"].resolved
    assert found["acme__calc-1"].infrastructure == "out_of_memory (environment)"


@pytest.mark.slow
def test_the_harness_takes_the_arguments_that_it_is_given(cache_dir):
    """As far as that can be seen without an engine: its own help names them."""
    import subprocess

    try:
        python = Official(cache_dir).harness()
    except EnvironmentUnavailable as missing:
        pytest.skip(f"needs a package registry on first use: {missing}")
    command = [python, "-I", "-m", "swebench.harness.run_evaluation", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert HARNESS.endswith("5.0.2") and json.dumps(said)
    for name in ("--run_id", "--dataset_name", "--predictions_path", "--max_workers", "--timeout"):
        assert name in said
