"""Whether a model can be run: every command that loads it gives the same answer, in one line."""

import pytest

from orchestrator.cli import main
from tests.vectors import folders
from vectors.engine.rehearsal import Rehearsal


@pytest.fixture
def unlike(tmp_path, monkeypatch):
    """A model's folder, as if no way to run it gave what its own forward gives."""
    folders.save(tmp_path / "model", "gemma3", folders.CHATML)
    monkeypatch.setattr(Rehearsal, "fault", lambda _self, _forward: "its logits are others")
    return tmp_path / "model"


@pytest.mark.parametrize(
    "command",
    [
        ["models", "show"],
        ["solve", "harborlab__tidetable-23", "--model"],
        ["vectors", "extract", "code_reading", "--model"],
        ["vectors", "show", "code_reading", "--model"],
        ["lab", "lens", "code_reading", "--model"],
        ["lab", "demo", "--reports", "1", "--model"],
    ],
    ids=" ".join,
)
def test_a_model_that_cannot_be_run_is_refused_alike(capsys, monkeypatch, tmp_path, unlike, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as exit_:
        main([*command, str(unlike)])
    captured = capsys.readouterr()
    assert exit_.value.code == 2
    said = [
        line for line in captured.err.splitlines() if "cannot be run rightly: its logits are others" in line
    ]
    assert len(said) == 1
    assert "Traceback" not in captured.err
    assert not list((tmp_path / "cache").glob("vectors/**/*.safetensors"))
