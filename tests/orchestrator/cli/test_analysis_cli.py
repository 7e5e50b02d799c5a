"""The analysing commands as a user meets them: a table, a figure, JSON, wrong input, Ctrl-C."""

import json
import signal
from pathlib import Path

import pytest

from tests.orchestrator.conftest import ended_at


@pytest.fixture(autouse=True)
def _own_folder(lab_folder):
    (lab_folder / "two.txt").write_text("Go on.\nWhy?\n")


@pytest.fixture
def run(lab):
    """Exit code, stdout and stderr of an analysis on the tiny model."""
    return lab


SMALL = {
    "sweep": ["code_reading", "--layers", "0,3", "--shares", "0.5", "--prompts", "two.txt", "--tokens", "3"],
    "diversity": ["code_reading", "--prompts", "two.txt", "--tokens", "3", "--samples", "2"],
    "compose": ["code_reading", "bug_analysis", "--mode", "add", "--prompts", "two.txt", "--tokens", "3"],
    "lens": ["code_reading"],
    "demo": ["--reports", "2", "--tokens", "2"],
}


def estimates(value):
    """Every estimate of a document, wherever it is."""
    if isinstance(value, dict):
        if value.keys() == {"value", "low", "high", "n"}:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from estimates(each)


@pytest.mark.parametrize("command", SMALL)
def test_json_is_one_document_with_all_that_determined_it_and_the_figure_is_drawn(run, command, tmp_path):
    code, out, _ = run(command, *SMALL[command], "--figure", "drawn.svg", "--json")
    assert code == 0
    document = json.loads(out)
    assert {"model", "model_digest", "dtype", "vectors", "settings"} <= set(document)
    assert all(len(vector["sha256"]) == 64 for vector in document["vectors"])
    for estimate in estimates(document):
        assert estimate["low"] - 1e-9 <= estimate["value"] <= estimate["high"] + 1e-9
        assert estimate["n"] >= 2
    assert (command == "lens") == (not list(estimates(document)))
    assert (tmp_path / "drawn.svg").read_text().startswith("<?xml")
    if command == "sweep":
        assert set(document["zones"]) == {"0", "3"}
        assert {cell["zone"] for cell in document["cells"]} <= {"rigid", "responsive", "degenerate"}
        assert "degenerate:" in document["zone_rule"]
        assert document["settings"]["prompts"] == ["Go on.", "Why?"]


@pytest.mark.parametrize("command", SMALL)
def test_the_table_says_n_and_that_so_few_observations_claim_nothing(run, command):
    code, out, _ = run(command, *SMALL[command])
    assert code == 0
    assert "(float32)" in out or "(bfloat16)" in out
    if command != "lens":
        assert "95 % intervals; n < 200: no claim" in out
    assert "…  " not in out  # no figure is cut off


@pytest.mark.parametrize("command", SMALL)
def test_the_run_folder_holds_what_was_printed_what_decided_it_and_both_figures(run, command):
    code, out, err = run(command, *SMALL[command], "--out", "kept", "--json")
    assert code == 0
    assert "run: kept" in err.splitlines()
    assert Path("kept/result.json").read_text() == out
    manifest = json.loads(Path("kept/manifest.json").read_text())
    assert {"experiment", "model", "model_digest", "vectors", "settings", "versions"} <= set(
        manifest["determinants"]
    )
    assert manifest["determinants"]["experiment"] == command
    assert manifest["facts"]["python"]
    assert Path("kept/figure.svg").read_text().startswith("<?xml")
    assert Path("kept/figure.png").read_bytes().startswith(b"\x89PNG")


def test_the_issues_of_a_data_set_are_reports_too(run):
    arguments = ["--dataset", "bundled", "--reports", "3", "--tokens", "2", "--json"]
    code, out, _ = run("demo", *arguments)
    document = json.loads(out)
    assert code == 0
    assert len(document["settings"]["reports"]) == 3
    assert {row["metrics"]["hits"]["n"] for row in document["rows"]} == {3}


def test_the_default_folder_is_the_experiments_own_and_is_found_again(run):
    code, out, _ = run("sweep", *SMALL["sweep"], "--json")
    assert code == 0
    (kept,) = Path("runs/lab").iterdir()
    _, again, err = run("sweep", *SMALL["sweep"], "--json")
    assert again == out
    assert "4 of 4 units kept; 0 to go" in err.splitlines()
    run("sweep", *SMALL["sweep"], "--tokens", "2")
    assert kept in Path("runs/lab").iterdir()
    assert len(list(Path("runs/lab").iterdir())) == 2


def test_a_named_folder_of_other_settings_is_refused_and_started_over_with_fresh(run):
    assert run("sweep", *SMALL["sweep"], "--out", "kept")[0] == 0
    other = ["sweep", *SMALL["sweep"], "--tokens", "2", "--out", "kept"]
    code, _, err = run(*other)
    assert code == 2
    assert "tokens" in err.splitlines()[-1]
    assert "--fresh" in err.splitlines()[-1]
    code, _, err = run("diversity", *SMALL["diversity"], "--out", "kept")
    assert code == 2
    assert "kept holds the experiment sweep, another kind than this" in err.splitlines()[-1]
    code, _, err = run(*other, "--fresh")
    assert code == 0
    assert "units kept" not in err
    assert json.loads(Path("kept/result.json").read_text())["settings"]["tokens"] == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sweep", "poetry"], "poetry"),
        (["sweep", "code_reading", "--shares", "0.1", "--alphas", "10"], "exclude"),
        (["sweep", "code_reading", "--layers", "a,b"], "numbers"),
        (["sweep", "code_reading", "--layers", "99"], "layer 99"),
        (["sweep", "code_reading", "--shares", "0"], "more than 0"),
        (["sweep", "code_reading", "--figure", "drawn.pdf"], ".png or .svg"),
        (["diversity", "poetry"], "poetry"),
        (["diversity", "missing.safetensors"], "missing.safetensors"),
        (["diversity", "code_reading", "--prompts", "one.txt"], "at least 2"),
        (["compose", "code_reading"], "two different domains"),
        (
            ["compose", "code_reading", "bug_analysis", "--mode", "weighted", "--weights", "1"],
            "weight for each",
        ),
        (["compose", "code_reading", "bug_analysis", "--mode", "add", "--weights", "1,1"], "--weights"),
        (["lens", "code_reading", "--layers", "99"], "layer 99"),
        (["demo", "--reports", "99"], "--reports"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_line_and_code_2(run, tmp_path, arguments, expected):
    (tmp_path / "one.txt").write_text("Go on.\n")
    code, out, err = run(*arguments)
    lines = [
        line for line in err.splitlines()
        if line and not line.startswith(("Usage:", "Try ", "extracting"))
    ]  # fmt: skip
    assert code == 2
    assert out == ""
    assert len(lines) == 1
    assert expected in lines[0]
    assert "Traceback" not in err


def test_ctrl_c_ends_with_130_and_says_that_nothing_was_kept(run, cache, tiny_model, tmp_path):
    arguments = ["lab", "sweep", "code_reading", "--model", str(tiny_model), "--figure", "drawn.png"]
    env = {"ORCHESTRATE_CACHE": str(cache)}
    code, out, err = ended_at(arguments, "^sweeping: 0/", signal.SIGINT, env)
    assert code == 130
    assert out == ""
    assert err.splitlines()[-1] == "interrupted: nothing is kept of this yet"
    assert not (tmp_path / "drawn.png").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_analysis_that_was_ended_is_gone_on_with_by_the_same_command(run, cache, tiny_model, how):
    command = ["lab", "sweep", *SMALL["sweep"], "--json", "--model", str(tiny_model)]
    whole = run("sweep", *SMALL["sweep"], "--out", "whole", "--json")[1]
    code, out, err = ended_at(command, "^scoring texts: 0/", how, {"ORCHESTRATE_CACHE": str(cache)})
    assert (code, out) == (130 if how == signal.SIGINT else -signal.SIGKILL, "")
    if how == signal.SIGINT:
        said = "interrupted: 2 units kept, run the same command again to go on where it was"
        assert err.splitlines()[-1] == said
    _, again, err = run("sweep", *SMALL["sweep"], "--json")
    assert "2 of 4 units kept; 2 to go" in err.splitlines()
    assert again == whole
