"""`orchestrate grade` on bundled tasks, whose tests run under pytest alone, and on wrong use."""

import json
import os
import subprocess
import sys

import pytest

from orchestrator.cli import main
from swebench.data.loading import load_instances

INSTANCE = "harborlab__tidetable-23"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, with_environments):
    monkeypatch.chdir(tmp_path)
    with_environments(tmp_path / "cache")
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        main(["grade", *map(str, arguments)])
    captured = capsys.readouterr()
    return exit_.value.code or 0, captured.out, captured.err


def write_predictions(path, **patches):
    rows = [{"instance_id": name, "model_name_or_path": "m", "model_patch": p} for name, p in patches.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def gold(name=INSTANCE):
    return load_instances("bundled").get(name).patch


def test_gold_certifies_an_instance_and_the_certificate_is_used_again(capsys, tmp_path):
    code, out, _ = run(capsys, "--gold", "--instances", INSTANCE, "--json")
    found = json.loads(out)
    assert code == 0 and (found["n"], found["certified"], found["resolved"]) == (1, 1, 1)
    row = found["instances"][INSTANCE]
    assert set(row) == {"resolved", "certified", "applied", "reason", "seconds"} and row["seconds"] > 0
    (kept,) = (tmp_path / "cache" / "certificates").glob("*/certificate.json")
    made = kept.stat().st_mtime_ns
    assert (kept.parent / "gold.log").read_text() and json.loads(kept.read_text())["empty_seconds"] > 0
    assert json.loads(run(capsys, "--gold", "--instances", INSTANCE, "--json")[1]) == found
    assert kept.stat().st_mtime_ns == made
    run(capsys, "--gold", "--instances", INSTANCE, "--fresh")
    assert kept.stat().st_mtime_ns > made


def test_a_right_a_wrong_and_an_empty_patch_are_told_apart(capsys, tmp_path):
    others = sorted(set(load_instances("bundled").instances) - {INSTANCE})[:2]
    patches = {INSTANCE: gold(), others[0]: "", others[1]: "no patch at all"}
    code, out, _ = run(capsys, write_predictions(tmp_path / "predictions.jsonl", **patches))
    assert code == 0
    assert f"{INSTANCE}: resolved" in out and "all tests pass" in out
    assert f"{others[0]}: not resolved (0.0 s): the patch is empty" in out
    assert f"{others[1]}: not resolved (0.0 s): the patch does not apply" in out
    assert "n 3, certified 3, resolved 1: 33.3% of the certified, 95 % interval 6.1% to 79.2%" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "FILE"),
        (["--gold", "--backend", "docker"], "--backend local"),
        (["--gold", "--instances", "harborlab__tidetable-24"], INSTANCE),
        (["no-such-file.jsonl"], "no-such-file.jsonl"),
    ],
)
def test_wrong_use_is_told_in_a_line(capsys, arguments, expected):
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == "" and expected in err and "Traceback" not in err


def test_an_unknown_instance_is_refused_before_anything_runs(capsys, tmp_path):
    path = write_predictions(tmp_path / "p.jsonl", nobody__nothing_1="x", **{INSTANCE: gold()})
    code, out, err = run(capsys, path)
    assert code == 2 and out == "" and "nobody__nothing_1" in err
    assert not (tmp_path / "cache" / "certificates").exists()


def test_an_instance_that_the_file_has_no_patch_for_is_named(capsys, tmp_path):
    other = sorted(set(load_instances("bundled").instances) - {INSTANCE})[0]
    path = write_predictions(tmp_path / "p.jsonl", **{INSTANCE: gold()})
    code, _, err = run(capsys, path, "--instances", other)
    assert code == 2 and other in err


def test_without_an_engine_docker_is_refused_before_anything_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    path = write_predictions(tmp_path / "p.jsonl", **{INSTANCE: gold()})
    code, out, err = run(capsys, path, "--backend", "docker")
    assert code == 1 and out == "" and "no Docker engine answers" in err and len(err.splitlines()) == 1


def test_rows_that_cannot_be_graded_say_what_they_lack(capsys, tmp_path):
    row = {
        "instance_id": "a__b-1",
        "repo": "a/b",
        "base_commit": "a" * 40,
        "problem_statement": "x",
        "FAIL_TO_PASS": ["t"],
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    code, out, err = run(capsys, "--gold", "--dataset", "rows.jsonl")
    assert code == 2 and out == "" and "no version and no test_patch" in err


def test_where_the_environment_cannot_be_made_one_line_says_so_before_a_model_is_loaded(tmp_path):
    arguments = ("solve", INSTANCE, "--grade", "--json")
    cache = tmp_path / "empty"
    done = subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli import main; main()", *arguments],
        env=os.environ | {"ORCHESTRATE_CACHE": str(cache), "PIP_INDEX_URL": (tmp_path / "none").as_uri()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("orchestrate: no environment for the tasks' tests:")
    assert "connect to a package index once, or do without tests (--no-run-tests, no --grade)" in line
    assert not (cache / "models").exists()
