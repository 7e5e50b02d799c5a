"""`--steer`: a run says itself what steers its prompts, and its record says what did."""

import json

import pytest

from tests.orchestrator.cli.test_cli import refused, run, solve_arguments

STEER = "5·bug_analysis@1[generated] - 50%·ablate(code_reading)@2..3 even when patch_writing@0 < 1000"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))


def test_every_prompt_that_is_steered_is_steered_by_it_and_the_trace_says_so(
    capsys, project, problem, tiny_model, tmp_path
):
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    code, out, _ = run(capsys, *arguments, "--steer", STEER)
    nodes = json.loads(out)["nodes"]
    assert code in (0, 1) and nodes
    said = {node["steering"]["steering"] for node in nodes if node["steering"]["applied"]}
    assert said == {
        "5·bug_analysis@1[generated] - 0.25·ablate(code_reading)@2 when patch_writing@0 < 1000"
        " - 0.25·ablate(code_reading)@3 when patch_writing@0 < 1000"
    }
    assert all(node["steering"]["layer"] is None for node in nodes)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["determinants"]["steer"] == STEER


def test_without_it_the_trace_has_the_vectors_own_in_the_same_form(
    capsys, project, problem, tiny_model, tmp_path
):
    _, out, _ = run(capsys, *solve_arguments(project, problem, tiny_model, tmp_path / "out"))
    for node in json.loads(out)["nodes"]:
        steering = node["steering"]
        strength, _, rest = steering["steering"].partition("·")
        assert rest == f"{steering['vector']}@{steering['layer']}"
        assert float(strength) == pytest.approx(steering["alpha"], abs=1e-3)


@pytest.mark.parametrize(
    ("steer", "why"),
    [
        ("bug_analysis@", "cannot be read at its end"),
        ("mine.safetensors", "import a file's first"),
        ("bend(bug_analysis)", "no operation 'bend'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(capsys, steer, why):
    code, line = refused(capsys, "solve", "harborlab__tidetable-23", "--steer", steer)
    assert code == 2 and why in line


def test_certified_steering_is_not_mixed_with_ones_own(capsys):
    _, line = refused(
        capsys, "solve", "harborlab__tidetable-23", "--steer", "bug_analysis", "--variant", "certified"
    )
    assert "leave steer out" in line
