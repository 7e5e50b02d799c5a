"""The laboratory's finished experiments as the arena shows them."""

import json
import shutil

import pytest

from orchestrator.cli import main
from tests.lab.rows import mmlu_pro_file

ROUTE = "/v1/arena/laboratory"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_model):
    """A folder with a finished experiment, one that is not, one that is broken, and a way out."""
    root = tmp_path_factory.mktemp("laboratory")
    rows = mmlu_pro_file(root)
    asked = [
        "lab",
        "mmlu-pro",
        "--dataset",
        rows,
        "--per-domain",
        "3",
        "--shares",
        "0.1",
        "--model",
        str(tiny_model),
    ]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setenv("ORCHESTRATE_CACHE", str(root / "cache"))
        main([*asked, "--out", str(root / "runs" / "tiny" / "mmlu-pro"), "--json"])
    assert ended.value.code == 0
    outside = root / "outside"
    shutil.copytree(root / "runs" / "tiny" / "mmlu-pro", outside)
    (root / "runs" / "elsewhere").symlink_to(outside, target_is_directory=True)
    (root / "runs" / "begun").mkdir()
    shutil.copy(outside / "manifest.json", root / "runs" / "begun")
    shutil.copytree(outside, root / "runs" / "broken")
    (root / "runs" / "broken" / "shown.json").write_text('{"section": 3}')
    (root / "runs" / "broken" / "figure.svg").unlink()
    return root / "runs"


@pytest.fixture
def lab(serving, runs):
    return serving(lab_runs=runs).http


def test_finished_experiments_are_listed_with_what_they_say_to_claims(lab):
    listed = lab.get(ROUTE).json()
    broken, whole = listed["data"]
    assert (broken["folder"], whole["folder"]) == ("broken", "tiny/mmlu-pro")
    assert broken["error"].startswith("broken cannot be read as an experiment")
    assert whole["experiment"] == "mmlu-pro"
    assert whole["title"].startswith("MMLU-Pro: math_reasoning on ")
    claims = {row["claim"]: row for row in listed["claims"]}
    assert claims["steering_harms_knowledge"]["finding"]["verdict"] == "undecided"
    assert claims["late_layers_are_rigid"]["finding"] is None


def test_an_experiment_shows_its_tables_figures_and_items(lab, runs):
    run = lab.get(ROUTE).json()["data"][1]["id"]
    shown = lab.get(f"{ROUTE}/{run}").json()
    kept = json.loads((runs / "tiny" / "mmlu-pro" / "shown.json").read_text())
    assert shown["section"] == kept["section"]
    assert shown["findings"] == kept["findings"]
    assert shown["items"] == 6
    for name, kind in (("figure.svg", "image/svg+xml"), ("figure.png", "image/png")):
        figure = lab.get(f"{ROUTE}/{run}/figures/{name}")
        assert figure.headers["content-type"] == kind
        assert "sandbox" in figure.headers["content-security-policy"]
        assert figure.content == (runs / "tiny" / "mmlu-pro" / name).read_bytes()
    page = lab.get(f"{ROUTE}/{run}/items", params={"offset": 4, "limit": 10}).json()
    assert page["total"] == 6
    lines = (runs / "tiny" / "mmlu-pro" / "items.jsonl").read_text().splitlines()
    assert [each["question"] for each in page["data"]] == [json.loads(line)["question"] for line in lines[4:]]
    said = page["data"][0]["said"]
    assert [each["condition"] for each in said] == ["unsteered", "math_reasoning@2, 10%"]
    assert all(nats < 0 for each in said for nats in each["nats"].values())


@pytest.mark.parametrize("run", ["elsewhere", "begun", "0" * 16, "..%2Foutside", "%2e%2e"])
def test_nothing_outside_the_folder_and_nothing_unfinished_is_shown(lab, run):
    for path in ("", "/items", "/figures/figure.svg"):
        assert lab.get(f"{ROUTE}/{run}{path}").status_code in (404, 422), path


def test_a_figure_is_one_of_two_names_and_a_broken_experiment_has_none(lab):
    broken, whole = (each["id"] for each in lab.get(ROUTE).json()["data"])
    assert lab.get(f"{ROUTE}/{whole}/figures/items.jsonl").status_code == 422
    assert lab.get(f"{ROUTE}/{broken}/figures/figure.svg").status_code == 404
    assert lab.get(f"{ROUTE}/{broken}").status_code == 404


def test_a_server_without_such_a_folder_has_no_experiments(serving, tmp_path):
    assert serving(lab_runs=tmp_path / "none").http.get(ROUTE).json()["data"] == []
