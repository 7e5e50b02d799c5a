"""A name that there is not is answered with the one that was probably meant, wherever one may be written."""

import json

import pytest

from orchestrator.cli import main


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """The last line of a command that refuses what it was given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def said(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(list(arguments))
        assert exit_.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return said


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["chat", "hi", "--domain", "bug_analisys"], "bug_analysis"),
        (["chat", "hi", "--model", "smolm2-135m"], "smollm2-135m"),
        (["models", "pull", "Qwen3-0.6"], "qwen3-0.6b or qwen3-0.6b-base"),
        (["models", "show", "gemma3-1b"], "gemma-3-1b"),
        (["vectors", "calibrate", "django"], "django_web"),
        (["vectors", "extract", "code_readin"], "code_reading"),
        (["tasks", "list", "--dataset", "bundeld"], "bundled"),
        (["retrieve", "x", "--dataset", "Verified"], "verified"),
        (["solve", "x", "--variant", "adaptiv"], "adaptive"),
        (["evaluate", "--variant", "dinamic"], "dynamic"),
    ],
    ids=str,
)
def test_the_name_that_was_meant_is_named(said, arguments, meant):
    assert f"did you mean {meant}" in said(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve", "harborlab__tidetable-24"],
        ["tasks", "show", "harborlab__tidetable-24"],
        ["retrieve", "harborlab__tidetable-24"],
        ["evaluate", "--instances", "harborlab__tidetable-24"],
        ["grade", "--gold", "--instances", "harborlab__tidetable-24"],
    ],
    ids=str,
)
def test_an_unknown_instance_is_answered_with_the_nearest_ids(said, arguments):
    assert "harborlab__tidetable-23" in said(*arguments)


def test_a_setting_of_no_name_is_answered_with_the_one_that_was_meant(said, tmp_path):
    (tmp_path / "orchestrate.toml").write_text(f"rpos = {json.dumps('mirrors')}\n")
    assert said("tasks", "list").endswith("did you mean repos?")


def test_a_name_that_is_near_to_none_gets_no_guess(said):
    assert "did you mean" not in said("chat", "hi", "--domain", "zzz")
