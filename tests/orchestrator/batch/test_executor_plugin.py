"""An executor of another distribution, really installed, does a batch and is named in its manifest."""

import json
import sys

import pytest

from tests.orchestrator.batch.batches import evaluate_arguments, make_tasks, predictions
from tests.orchestrator.cli.test_cli import run
from tests.plugins import documented, install

FAULTY = '''


class OfNothing:
    """Takes no arguments."""


class NoContext:
    """Is no context manager."""

    def __init__(self, session, runs, workers, timeout_s):
        pass
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    entries = {"noting": "Noting", "nothing": "OfNothing", "no-context": "NoContext"}
    monkeypatch.syspath_prepend(
        install(
            tmp_path / "plugins",
            "noting-executor",
            documented("Executors") + FAULTY,
            "orchestrate.executors",
            **entries,
        )
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    sys.modules.pop("noting_executor", None)


def test_a_plug_in_does_the_batch_and_the_manifest_names_it_with_its_version(
    installed, capsys, tmp_path, tiny_model
):
    tasks = make_tasks(tmp_path / "data")
    arguments = evaluate_arguments(tasks, tiny_model, tmp_path / "out", "--limit", 2)
    code, printed, _ = run(capsys, *arguments, "--executor", "noting")
    assert code == 0 and json.loads(printed)["executor"] == "noting"
    assert sorted((tmp_path / "noted.txt").read_text().split()) == ["local__abacus-0", "local__abacus-1"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["facts"]["plugins"] == {"orchestrate.executors: noting": "noting-executor 1.0"}
    local = evaluate_arguments(tasks, tiny_model, tmp_path / "local", "--limit", 2)
    assert run(capsys, *local)[0] == 0
    assert predictions(tmp_path / "local") == predictions(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "executor nothing, noting_executor:OfNothing, cannot be made of session"),
        ("no-context", "executor no-context, noting_executor:NoContext, is no asynchronous context manager"),
        ("missing", "choose one of local, ray, no-context, nothing, noting"),
    ],
)
def test_an_executor_that_cannot_be_used_is_named_in_one_line(
    installed, capsys, tmp_path, tiny_model, name, said
):
    tasks = make_tasks(tmp_path / "data")
    arguments = evaluate_arguments(tasks, tiny_model, tmp_path / "out", "--limit", 1)
    code, out, err = run(capsys, *arguments, "--executor", name)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
