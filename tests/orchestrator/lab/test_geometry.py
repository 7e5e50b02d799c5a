"""`lab geometry` on two tiny models, from its arguments to its folder."""

import json

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.errors import MixedRunError
from orchestrator.lab.claims import finding
from orchestrator.lab.folder import ExperimentFolder
from orchestrator.lab.geometry import measure_geometry
from orchestrator.lab.overview import report_on
from orchestrator.settings import Settings
from vectors.domains import activations
from vectors.errors import ModelUnavailable, UnfitAnalysis
from vectors.measuring.journal import Journal
from vectors.models.untrained import untrain


@pytest.fixture
def settings(tmp_path):
    return Settings(cache=tmp_path / "cache", dtype="bfloat16")


def test_what_was_killed_between_two_domains_goes_on_to_the_same_bytes(
    two_models, settings, tmp_path, monkeypatch
):
    whole = ExperimentFolder(tmp_path, tmp_path / "whole")
    whole.finish(measure_geometry(settings, two_models, as_original=True, journal=whole))
    read, calls = activations._pooled, []

    def until(*arguments):
        calls.append(arguments)
        if len(calls) == 40:
            raise KeyboardInterrupt
        return read(*arguments)

    monkeypatch.setattr(activations, "_pooled", until)
    with pytest.raises(KeyboardInterrupt):
        measure_geometry(
            settings, two_models, as_original=True, journal=ExperimentFolder(tmp_path, tmp_path / "cut")
        )
    cut = ExperimentFolder(tmp_path, tmp_path / "cut")
    cut.finish(measure_geometry(settings, two_models, as_original=True, journal=cut))
    assert cut.found == 39
    assert len(calls) == 40 + 51  # two models and the null, 15 groups, two tokens
    for name in ("result.json", "shown.json", "figure.svg"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_file_of_residuals_that_is_damaged_is_made_again(two_models, settings, tmp_path):
    first = ExperimentFolder(tmp_path, tmp_path / "out")
    whole = measure_geometry(settings, two_models, journal=first)
    damaged, gone, *_ = sorted((tmp_path / "out" / "residuals").iterdir())
    before = damaged.read_bytes()
    damaged.write_bytes(b"{}")
    gone.unlink()
    again = ExperimentFolder(tmp_path, tmp_path / "out")
    assert measure_geometry(settings, two_models, journal=again) == whole
    assert damaged.read_bytes() == before
    assert gone.exists()
    assert again.kept == 45


def test_the_untrained_null_stands_beside_but_answers_no_claim(two_models, settings):
    found = measure_geometry(settings, two_models, journal=Journal())
    assert [each.trained for each in found.geometries] == [True, True, False]
    assert len(found.comparisons) == 3
    (said,) = found.findings()
    assert said.claim == "geometry_is_invariant"
    assert said.estimate.n == 14 * 24
    agreement = found.comparisons[0].agreement.spearman
    assert said == finding(said.claim, agreement, said.measures, beyond=0.888, above=True)
    assert found.original == ()


def test_another_depth_is_another_experiment(two_models, settings, tmp_path):
    measure_geometry(settings, two_models, journal=ExperimentFolder(tmp_path, tmp_path / "out"))
    with pytest.raises(MixedRunError, match=r"settings\.depth"):
        measure_geometry(
            settings, two_models, depth=0.9, journal=ExperimentFolder(tmp_path, tmp_path / "out")
        )


def test_the_command_prints_tables_and_fresh_starts_over(two_models, tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    arguments = ["lab", "geometry", *(part for name in two_models for part in ("--model", name))]
    arguments += ["--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(cli, arguments)
    assert ran.exit_code == 0, ran.output
    assert "without their common component" in ran.output
    stale = tmp_path / "out" / "residuals" / "stale.safetensors"
    stale.write_bytes(b"")
    ran = CliRunner().invoke(cli, [*arguments, "--depth", "1", "--fresh", "--json"])
    assert ran.exit_code == 0, ran.output
    assert not stale.exists()
    document = json.loads(ran.stdout)
    assert [each["layer"] for each in document["geometries"]] == [3, 3, 3]
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000


def test_a_report_says_the_same_of_both_models_and_of_no_third(two_models, settings, tmp_path):
    folder = ExperimentFolder(tmp_path, tmp_path / "out")
    folder.finish(measure_geometry(settings, two_models, journal=folder))
    report = report_on([tmp_path / "out"])
    said = [
        (row.model, row.finding is not None) for row in report.claims if row.claim == "geometry_is_invariant"
    ]
    assert said == [("tiny-llama", True), ("other-llama", True)]


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        (["smollm2-135m"], UnfitAnalysis, "two at least"),
        (["smollm2-135m", "smollm2-135m"], UnfitAnalysis, "named twice"),
        (["smollm2-135m", "smollm"], ModelUnavailable, "did you mean"),
        ([f"a/m{i}" for i in range(5)], UnfitAnalysis, "holds 4"),
    ],
)
def test_models_that_cannot_be_compared_are_refused_before_any_is_loaded(names, error, said, settings):
    with pytest.raises(error, match=said):
        measure_geometry(settings, names)


def test_one_model_under_two_names_is_refused(two_models, settings, tmp_path):
    (tmp_path / "alias").symlink_to(two_models[0])
    with pytest.raises(UnfitAnalysis, match="one model"):
        measure_geometry(settings, [two_models[0], str(tmp_path / "alias")])


def test_untraining_keeps_the_tokenizer(two_models, settings):
    from vectors.models.loading import load_model

    lm = load_model(two_models[0], cache=settings.cache)
    drawn = untrain(lm, 0)
    assert drawn.tokenizer is lm.tokenizer
    assert drawn.model_id == f"{lm.model_id} (untrained)"
