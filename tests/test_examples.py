"""The examples run as they stand, on a tiny random model: what they print is theirs, not a copy of it."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.orchestrator.conftest import make_tiny_model
from tests.services.conftest import run, until

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """A random model that never ends an answer by itself, so that there is something to compare."""
    folder = make_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama")
    model = LlamaForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.weight[model.config.eos_token_id] = 0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Vectors that one example extracted serve the next."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def example(tiny_model, cache, tmp_path, monkeypatch, capsys):
    """Runs an example in a folder of its own and returns what it printed."""
    monkeypatch.setenv("ORCHESTRATE_MODEL", str(tiny_model))
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)

    def started(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return started


def test_one_prompt_is_answered_unsteered_and_steered(example):
    plain, steered = example("steer_one_prompt.py", "What is a loop?").split("steered:  ")
    assert plain.startswith("unsteered: ")
    assert plain.removeprefix("unsteered: ").strip() != steered.strip()


def test_three_steerings_share_a_batch_and_change_no_token_of_each_other(example):
    lines = example("mixed_batch.py")
    assert lines.startswith("the same tokens as alone: True\n")
    assert len(set(lines.split("\n- ")[1:])) == 3


def test_a_vector_of_ones_own_prompts_is_extracted_kept_and_steers(example, tmp_path):
    assert example("own_vector.py").startswith("default: layer ")
    assert (tmp_path / "pirates.safetensors").stat().st_size > 1000


def test_a_bundled_task_is_solved_from_python(example, tmp_path):
    printed = example("solve_task.py", "harborlab__tidetable-23")
    assert "code_reading: steered, zero-shot prompt" in printed
    assert "bug_analysis: not steered, off: the prompt holds" in printed
    assert (tmp_path / "runs" / "example" / "predictions.jsonl").exists()


def test_openais_client_talks_to_the_server_with_and_without_steering(example, tiny_model, cache, tmp_path):
    with Session(Settings(dtype="float32"), progress=lambda *_: None) as session:
        runtime = Runtime(session, ServeSettings(data=tmp_path / "service", drain_s=1))
        live = run(runtime)
        try:
            runtime.start()
            until(lambda: runtime.models.served or runtime.models.failed)
            printed = example("talk_to_server.py", live.url)
        finally:
            live.stop()
    plain, steered = printed.removeprefix("unsteered: ").split("\nsteered: ")
    assert plain.strip() != steered.strip()


def test_every_example_is_run_here():
    text = Path(__file__).read_text()
    names = [path.name for path in EXAMPLES.glob("*.py")]
    assert len(names) == 5
    assert all(f'"{name}"' in text for name in names)
