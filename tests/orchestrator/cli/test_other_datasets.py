"""Rows of other data sets through the commands: SWE-smith's fault, SWE-rebench's environment, bad rows."""

import json
import sys

import pytest

from orchestrator.cli import main
from tests.swebench.conftest import CALC, FIX, HIDDEN_TESTS, calc_row, commit, run_git

RIGHT = CALC["calc.py"].replace("a - b", "a + b")
FAULT = FIX.replace("-    return a - b\n+    return a + b", "-    return a + b\n+    return a - b")
WHOLE = CALC["tests/test_calc.py"].replace("import double", "import add, double")
WHOLE += "\n\ndef test_add():\n    assert add(1, 2) == 3\n"
SETUP = "from setuptools import setup\n\nsetup(name='calc', version='1.0', py_modules=['calc'])\n"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, with_environments):
    monkeypatch.chdir(tmp_path)
    with_environments(tmp_path / "cache")
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ORCHESTRATE_REPOS", str(tmp_path / "repos"))


@pytest.fixture
def upstream(tmp_path):
    """Makes acme/calc in the folder of repositories; returns its commit."""

    def make(files):
        folder = tmp_path / "repos" / "acme__calc"
        folder.mkdir(parents=True)
        run_git(folder, "init", "--quiet", "--initial-branch=main")
        return commit(folder, files)

    return make


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return exit_.value.code or 0, json.loads(captured.out)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def smith_row(base):
    return {
        "instance_id": f"acme__calc.{base[:8]}.combine_file__0f",
        "repo": f"swesmith/acme__calc.{base[:8]}",
        "patch": FAULT,
        "problem_statement": "add() subtracts",
        "image_name": "swesmith.x86_64.acme_1776_calc",
        "FAIL_TO_PASS": ["tests/test_calc.py::test_add"],
        "PASS_TO_PASS": ["tests/test_calc.py::test_double"],
    }


def test_a_row_of_swe_smith_is_graded_where_it_has_a_test_command(capsys, tmp_path, upstream):
    row = smith_row(upstream({"calc.py": RIGHT, "tests/test_calc.py": WHOLE}))
    rows = write(tmp_path / "rows.jsonl", row | {"test_cmd": "pytest -rA", "log_parser": "pytest"})
    code, found = run(capsys, "grade", "--gold", "--dataset", rows)
    assert code == 0 and (found["n"], found["certified"], found["resolved"]) == (1, 1, 1), found
    patch = {"instance_id": row["instance_id"], "model_name_or_path": "m", "model_patch": FIX}
    code, found = run(capsys, "grade", write(tmp_path / "p.jsonl", patch), "--dataset", rows)
    assert found["resolved"] == 1 and found["dataset"]["source"] == str(rows)


def test_a_row_of_swe_smith_is_solved_on_the_commit_with_the_fault(capsys, tmp_path, upstream, tiny_model):
    row = smith_row(upstream({"calc.py": RIGHT, "tests/test_calc.py": WHOLE}))
    broken = row | {"instance_id": "acme__calc.x.two", "patch": FAULT.replace("a + b", "a * b")}
    rows = write(
        tmp_path / "rows.jsonl", row, broken, row | {"instance_id": "three", "problem_statement": ""}
    )
    asked = ("--dataset", rows, "--model", tiny_model, "--samples", 1, "--edits", 8, "--retries", 0)
    code, found = run(capsys, "evaluate", *asked, "--out", "out")
    failed = {each["instance_id"]: each["reason"] for each in found["failures"]}
    assert code == 1 and found["n"] == 3 and failed.keys() == {"acme__calc.x.two", "three"}
    assert "puts the fault in" in failed["acme__calc.x.two"] and "statement is empty" in failed["three"]
    result = json.loads((tmp_path / "out" / row["instance_id"] / "result.json").read_text())
    assert result["status"] == "patched" and "return a - b" in result["patch"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["facts"]["dataset_source"] == str(rows)
    code, found = run(capsys, "evaluate", *asked, "--out", "out", "--instances", row["instance_id"])
    assert code == 0 and found["n"] == 1


def test_predictions_by_instance_id_are_graded(capsys, tmp_path, upstream):
    row = calc_row(upstream(CALC))
    rows = write(tmp_path / "rows.jsonl", row, row | {"instance_id": "bad", "problem_statement": ""})
    patches = {name: {"model_name_or_path": "m", "model_patch": FIX} for name in (row["instance_id"], "bad")}
    (tmp_path / "preds.json").write_text(json.dumps(patches))
    code, found = run(capsys, "grade", "preds.json", "--dataset", rows)
    assert code == 0 and (found["n"], found["resolved"]) == (2, 1)
    assert "statement is empty" in found["instances"]["bad"]["reason"]


@pytest.mark.slow
def test_a_row_of_swe_rebench_is_graded_in_the_environment_that_it_describes(capsys, tmp_path, upstream):
    base = upstream(CALC | {"setup.py": SETUP})
    config = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "install": "pip install -e .",
        "pip_packages": ["pytest"],
        "pre_install": ["apt-get install -y graphviz"],
        "test_cmd": "pytest --no-header -rA --tb=line --color=no -p no:cacheprovider",
        "log_parser": "parse_log_pytest",
    }
    row = calc_row(base, test_cmd=None, log_parser=None, install_config=config, test_patch=HIDDEN_TESTS)
    row["requirements"] = "iniconfig==2.0.0\n"
    code, found = run(capsys, "grade", "--gold", "--dataset", write(tmp_path / "rows.jsonl", row))
    if "could not find" in str(found).lower() or "connection" in str(found).lower():
        pytest.skip("needs a package registry")
    assert code == 0 and found["certified"] == 1, found
    config["install"] = "pip install -e . && touch owned"
    code, found = run(capsys, "grade", "--gold", "--dataset", write(tmp_path / "other.jsonl", row))
    assert code == 1 and "only `pip install …` is run here" in found["instances"]["acme__calc-1"]["reason"]
