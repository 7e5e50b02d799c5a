"""Finished experiments put side by side: what holds of the original's claims, and what is open."""

import json

import pytest

from orchestrator.errors import ConfigError
from orchestrator.lab.claims import CLAIMS, finding
from orchestrator.lab.diversity import measure_diversity
from orchestrator.lab.folder import ExperimentFolder
from orchestrator.lab.overview import report_on, write_report
from orchestrator.lab.sweeping import sweep_vector
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.progress import silent
from vectors.statistics.estimates import Estimate

PROMPTS = ("Go on.", "Why?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_model):
    """A folder with one experiment that is finished and one that was interrupted."""
    runs = tmp_path_factory.mktemp("runs")
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        done = ExperimentFolder(runs)
        done.finish(measure_diversity(session, "code_reading", PROMPTS, samples=2, tokens=2, journal=done))
        measure_diversity(
            session, "code_reading", PROMPTS, samples=3, tokens=2, journal=ExperimentFolder(runs)
        )
    return runs / "lab"


def test_each_claim_has_a_verdict_with_its_n_or_is_open(folder):
    report = report_on([folder])
    assert {row.claim for row in report.claims} == CLAIMS.keys()
    by_claim = {row.claim: row for row in report.claims}
    said = by_claim["steering_diversifies"]
    assert (said.finding.verdict, said.finding.estimate.n) == ("undecided", 2)
    assert by_claim["few_shot_interferes"].finding is None
    assert len(report.unfinished) == 1


def test_the_report_is_one_file_that_shows_tables_figures_and_what_is_not_finished(folder, tmp_path):
    json_file, markdown, html = write_report(report_on([folder]), tmp_path)
    assert json.loads(json_file.read_text())["claims"]
    assert "| Steering makes sampled answers more diverse |" in markdown.read_text()
    page = html.read_text()
    assert "data:image/svg+xml;base64," in page
    assert 'src="http' not in page
    assert "unique answers / samples" in page
    assert "Not finished" in page


def test_equal_experiments_give_equal_reports(folder, tmp_path):
    one = [path.read_bytes() for path in write_report(report_on([folder]), tmp_path / "one")]
    other = [path.read_bytes() for path in write_report(report_on([folder]), tmp_path / "other")]
    assert one == other


@pytest.mark.parametrize(
    ("low", "high", "n", "verdict"),
    [
        (0.1, 0.2, 200, "confirmed"),
        (-0.2, -0.1, 200, "refuted"),
        (-0.1, 0.1, 200, "undecided"),
        (0.0, 0.1, 200, "undecided"),
        (0.1, 0.2, 199, "undecided"),
        (-0.2, -0.1, 199, "undecided"),
    ],
)
@pytest.mark.parametrize("above", [True, False])
def test_a_claim_is_answered_from_two_hundred_observations_whose_whole_interval_is_on_one_side(
    low, high, n, verdict, above
):
    sign = 1 if above else -1
    ends = sorted((sign * low, sign * high))
    estimate = Estimate(sum(ends) / 2, *ends, n)
    assert finding("addition_dilutes", estimate, "it", beyond=0, above=above).verdict == verdict


@pytest.mark.parametrize(
    ("layers", "claims"),
    [
        ((0, 3), ["late_layers_are_rigid"]),
        ((1, 3), ["late_layers_are_rigid"]),
        ((0,), []),
    ],
)
def test_a_sweep_says_nothing_of_a_depth_that_it_has_not_measured(tmp_path, tiny_model, layers, claims):
    settings = Settings(cache=tmp_path, model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        swept = sweep_vector(session, "code_reading", PROMPTS, layers=layers, shares=[0.5], tokens=2)
    said = swept.findings()
    assert [each.claim for each in said] == claims
    assert all("of 4" in each.measures for each in said)


def test_a_folder_without_experiments_and_a_torn_one_are_one_line(folder, tmp_path):
    with pytest.raises(ConfigError, match="holds no experiment"):
        report_on([tmp_path])
    (tmp_path / "manifest.json").write_text((next(folder.iterdir()) / "manifest.json").read_text())
    (tmp_path / "shown.json").write_text("{")
    with pytest.raises(ConfigError, match="run it again"):
        report_on([tmp_path])
