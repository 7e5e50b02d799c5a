"""`lab transfer` and `vectors transfer` between two tiny models, from their arguments to what they keep."""

import json

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.lab import pairing
from orchestrator.lab.folder import ExperimentFolder
from orchestrator.lab.transfer import Passed, Trial, measure_transfer
from orchestrator.lab.transferring import transfer_vector
from orchestrator.session import Session
from orchestrator.settings import Settings
from tests.vectors.lab.geometry.test_maps import SENTENCES
from vectors.domains.prompt_sets import PromptSetError
from vectors.errors import TextSetError, VectorFileError
from vectors.measuring import kept_tensors
from vectors.progress import silent
from vectors.statistics.estimates import Estimate


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "prose.txt"
    path.write_text("\n\n".join(SENTENCES))
    return path


@pytest.fixture
def settings(tmp_path):
    return Settings(cache=tmp_path / "cache", dtype="float32")


def test_what_was_killed_goes_on_to_the_same_bytes(two_models, texts, settings, tmp_path, monkeypatch):
    def measured(name):
        folder = ExperimentFolder(tmp_path, tmp_path / name)
        folder.finish(measure_transfer(settings, *two_models, [texts], n=80, journal=folder))
        return folder

    measured("whole")
    kept, calls = kept_tensors.kept_tensor, []

    def until(*arguments):
        calls.append(arguments)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return kept(*arguments)

    monkeypatch.setattr(kept_tensors, "kept_tensor", until)
    with pytest.raises(KeyboardInterrupt):
        measured("cut")
    assert measured("cut").found > 0
    for name in ("result.json", "shown.json", "figure.svg"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_vector_that_was_transferred_is_one_of_the_target_s_and_says_where_it_is_from(
    two_models, texts, settings
):
    source, target = two_models
    made = transfer_vector(settings, source, target, "code_reading", texts=[texts], n=80)
    assert made.domain == "code_reading-from-tiny-llama"
    assert len(made.layers) == len(made.r2) == 4
    with Session(settings.model_copy(update={"model": target}), progress=silent) as session:
        vector = session.vectors.get(session.model, made.domain)
        assert vector.sha256 == made.sha256
        assert made.source_digest in vector.metadata["method"]
        assert json.loads(vector.metadata["layers"]) == list(made.layers)
        assert json.loads(vector.metadata["r2"]) == list(made.r2)
        assert vector.intervention().layer == made.layer
        native = session.vectors.get(session.model, "code_reading")
        assert (vector.spreads == native.spreads).all()
    with pytest.raises(VectorFileError, match="already"):
        transfer_vector(settings, source, target, "code_reading", texts=[texts], n=80)
    again = transfer_vector(settings, source, target, "code_reading", texts=[texts], n=80, name="other")
    assert again.sha256 == made.sha256
    with pytest.raises(PromptSetError, match="--name"):
        transfer_vector(settings, source, target, "code_reading", texts=[texts], name="bug_analysis")


def test_both_commands_print_what_they_did(two_models, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    common = [*two_models, "--text", str(texts), "--n", "80"]
    ran = CliRunner().invoke(cli, ["lab", "transfer", *common, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    for said in ("procrustes", "pairs shuffled", "random directions", "no claim", "layers that go together"):
        assert said in ran.output
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    ran = CliRunner().invoke(cli, ["vectors", "transfer", *common[:2], "bug_analysis", *common[2:], "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["method"] == "ridge"
    assert not list((tmp_path / "cache" / "analyses").rglob("*.safetensors"))


def test_a_claim_is_answered_where_the_model_s_own_vector_is_certified(two_models, texts, settings):
    found = measure_transfer(settings, *two_models, [texts], n=80)
    assert found.findings() == ()
    said = [
        Passed(certified=good, effect=Estimate(0.2, 0.1, 0.3, 200), alpha=1.0, reason="")
        for good in (True, False)
    ]
    trials = (
        Trial(domain="a", native=said[0], transferred=said[0]),
        Trial(domain="b", native=said[1], transferred=said[0]),
        Trial(domain="c", native=said[0], transferred=said[1]),
    )
    answered = found.model_copy(update={"trials": trials}).findings()
    assert [(each.claim, each.verdict) for each in answered] == [
        ("transfer_works", "confirmed"),
        ("transfer_works", "undecided"),
    ]


def test_too_few_texts_are_told_before_a_model_is_loaded(two_models, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(pairing, "read", None)
    (tmp_path / "few.txt").write_text("\n\n".join(SENTENCES[:20]))
    with pytest.raises(TextSetError, match="Brown"):
        measure_transfer(settings, *two_models, [tmp_path / "few.txt"])
