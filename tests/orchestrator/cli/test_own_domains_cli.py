"""A domain of one's own from a file of pairs to a task that is steered with it, and out to other programs."""

import hashlib
import json

import pytest
import torch
from safetensors import safe_open

from tests.orchestrator.cli.test_cli import run, solve_arguments
from tests.orchestrator.conftest import problem, project  # noqa: F401
from vectors.formats.registry import BUILT_IN

PAIRS = [["I tell the truth", "I tell a tale"], ["It is so", "It may be so"], ["Yes, I did", "No, I slept"]]


@pytest.fixture
def library(capsys, monkeypatch, tmp_path, tiny_model):
    """A folder of one's own with a domain in the place of the project's, and one of a new name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "honesty.json").write_text(json.dumps(PAIRS))
    given = ["--prompts", "honesty.json", "--model", tiny_model, "--out", "mine"]
    for more in ([], ["--domain", "code_reading"]):
        assert run(capsys, "vectors", "extract", *given, *more)[0] == 0
    return tmp_path / "mine"


def test_a_folder_of_ones_own_is_listed(capsys, library):
    _, out, _ = run(capsys, "vectors", "list", "--vectors", library, "--json")
    assert [each["domain"] for each in json.loads(out)] == ["code_reading", "honesty"]
    assert "none yet" in run(capsys, "vectors", "list")[1]


def test_solve_steers_with_the_domain_that_stands_in_the_projects_place(
    capsys, library, project, problem, tiny_model, tmp_path  # noqa: F811
):  # fmt: skip
    def first_node(out, *more):
        arguments = solve_arguments(project, problem, tiny_model, tmp_path / out)
        return json.loads(run(capsys, *arguments, *more)[1])["nodes"][0]["steering"]

    mine, theirs = first_node("a", "--vectors", library), first_node("b")
    (made,) = (library / "tiny-llama").glob("code_reading-*.safetensors")
    with safe_open(made, framework="pt") as file:
        directions = torch.stack([file.get_tensor(f"layer.{number}") for number in range(4)])
    assert mine["applied"] and mine["vector"] == "code_reading"
    assert mine["vector_sha256"] == hashlib.sha256(directions.numpy().tobytes()).hexdigest()
    assert theirs["applied"] and theirs["vector_sha256"] != mine["vector_sha256"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_it_is_exported_by_its_name_in_every_format(capsys, library, tiny_model, tmp_path, name):
    out = tmp_path / (
        "v.gguf" if name in {"gguf", "repeng"} else "v.pt" if name == "lm-eval" else "v.safetensors"
    )
    given = ["honesty", "--vectors", library, "--model", tiny_model, "--format", name, "--out", out]
    assert run(capsys, "vectors", "export", *given)[0] == 0
    assert out.stat().st_size > 0
