"""The main path with the real embedded model: a bundled task from its report to a graded patch."""

import json

import pytest

from orchestrator.cli import main

pytestmark = [pytest.mark.real_model, pytest.mark.slow]

INSTANCE = "harborlab__tidetable-23"


def test_the_embedded_model_solves_a_bundled_task_end_to_end(capsys, tmp_path, monkeypatch, cache_dir):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache_dir))
    with pytest.raises(SystemExit) as exit_:
        main(["solve", INSTANCE, "--grade", "--samples", "1", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert exit_.value.code == 0
    assert result["status"] == "patched"
    assert result["applies"]
    assert result["parses"]
    assert result["files"] == ["tidetable/stats.py"]
    assert result["graded"]["reason"]
    reading, analysis, *writing = result["nodes"]
    assert reading["steering"]["applied"]
    assert reading["steering"]["vector"] == "code_reading"
    assert not any(node["steering"]["applied"] for node in (analysis, *writing))
