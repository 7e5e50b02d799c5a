"""`orchestrate vectors dose` as a user meets it."""

import json

import pytest

from tests.orchestrator.cli.test_cli import run
from vectors.measuring import damage
from vectors.measuring.damage import PlainReading, plain_texts


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_a_model_that_cannot_read_has_no_dose(capsys, tiny_model):
    code, printed, _ = run(capsys, "vectors", "dose", "code_reading", "--model", tiny_model)
    assert code == 0
    assert "no dose" in printed


def test_the_table_says_what_was_tried_and_which_of_it_is_the_dose(capsys, tiny_model, monkeypatch):
    monkeypatch.setattr(damage, "plain_texts", lambda: tuple(text[:40] for text in plain_texts()[:6]))
    monkeypatch.setattr(PlainReading, "senseless", lambda _: False)
    asked = ["vectors", "dose", "code_reading", "--model", tiny_model, "--layer", "1"]
    code, printed, told = run(capsys, *asked)
    assert code == 0
    assert "← dose" in printed
    assert "n = 6 texts" in printed
    assert "measuring the dose of code_reading at layer 1" in told
    code, printed, told = run(capsys, *asked, "--json")
    found = json.loads(printed)
    assert found["alpha"] in [each["alpha"] for each in found["tried"]]
    assert (found["layer"], found["operation"], found["n"]) == (1, "add", 6)
    assert "measuring" not in told, "it is kept"


def test_a_layer_that_does_not_exist_is_refused(capsys, tiny_model):
    asked = ["vectors", "dose", "code_reading", "--model", tiny_model, "--layer", "9"]
    code, printed, told = run(capsys, *asked)
    assert (code, printed) == (2, "")
    assert told.splitlines()[-1].endswith("layer 9 does not exist: expected 0 to 3")
