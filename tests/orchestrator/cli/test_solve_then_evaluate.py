"""One folder through `solve --grade`, `evaluate --grade local` and `report`: verdicts of one type."""

import json

import pytest

from orchestrator.cli import main
from orchestrator.records import Graded

INSTANCE = "harborlab__tidetable-23"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, with_environments):
    monkeypatch.chdir(tmp_path)
    with_environments(tmp_path / "cache")
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ORCHESTRATE_DTYPE", "float32")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return exit_.value.code or 0, json.loads(captured.out)


def test_what_solve_graded_evaluate_and_report_count_alike(capsys, tmp_path, tiny_model):
    asked = ("--model", tiny_model, "--samples", 1, "--edits", 8, "--retries", 0, "--out", "run")
    code, solved = run(capsys, "solve", INSTANCE, *asked, "--grade")
    assert code == 0 and solved["graded"]["certified"] is True and solved["graded"]["backend"] == "local"
    code, found = run(capsys, "evaluate", *asked, "--instances", INSTANCE, "--grade", "local")
    (row,) = found["variants"].values()
    assert code == 0 and (row["resolved"]["graded"], row["resolved"]["n"]) == (1, 1)
    kept = tmp_path / "run" / INSTANCE / "result.json"
    assert json.loads(kept.read_text())["graded"] == solved["graded"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["facts"]["dataset_source"] == "bundled"
    assert manifest["determinants"]["dataset"] == "bundled" and manifest["determinants"]["dataset_sha256"]

    # What an earlier version noted without a certificate is no verdict, and is found again.
    old = json.loads(kept.read_text())
    old["graded"] = {"resolved": True, "reason": "all tests pass", "seconds": 1.0}
    kept.write_text(json.dumps(old))
    _, report = run(capsys, "report", "run")
    assert report["uncertified_ids"] == [INSTANCE] == report["error_ids"] and report["resolved_ids"] == []
    assert report["runs"]["run"]["rates"]["resolved"]["n"] == 0
    run(capsys, "evaluate", *asked, "--instances", INSTANCE, "--grade", "local")
    assert json.loads(kept.read_text())["graded"]["certified"] is True


def test_a_verdict_counts_only_with_a_certificate():
    assert [Graded(resolved=True, certified=each).counts for each in (True, False, None)] == [
        True,
        False,
        False,
    ]
    assert "infrastructure" not in Graded(resolved=False).model_dump()
    assert Graded(resolved=False, infrastructure="x").model_dump()["infrastructure"] == "x"
