"""`vectors calibrate`, and `solve --variant certified` on what it kept, as a user meets them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.data.bundles import bundled_files
from tests.orchestrator.cli.test_cli import refused, run, solve_arguments
from vectors.calibration import certificates, controls

FEW = ["--texts", "texts.json", "--dataset", "tasks.jsonl"]
TEXTS = [f"`name_{i}` is in a.py" for i in range(16)]


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny matrices are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Runs and cache are in a folder of the test's own; tasks, held-out texts and controls are few."""
    monkeypatch.setattr(controls, "COUNTS", dict.fromkeys(controls.KINDS, 2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    rows = [line for file in bundled_files() for line in file.read_text().splitlines()]
    (tmp_path / "tasks.jsonl").write_text("\n".join(sorted(rows, key=len)[:3]))


def calibrate(capsys, model, *more):
    flags = ["--layers", "1-2", "--shares", "0.3", *FEW, "--model", model, "--json"]
    code, out, err = run(capsys, "vectors", "calibrate", "code_reading", *flags, *more)
    assert code == 0, err
    (report,) = json.loads(out)
    return report, err


def test_a_calibration_prints_one_document_and_keeps_what_it_found_beside_the_vector(
    capsys, tiny_model, tmp_path
):
    report, err = calibrate(capsys, tiny_model)
    assert report["certified"] is False
    assert report["n"] == {"proposal": 4, "certification": 12}
    assert [cell["layer"] for cell in report["certificates"][0]["tried"]] == [1, 2]
    assert report["forward_tokens"] > 0
    kept = json.loads(Path(report["file"]).read_text())
    said = [each.pop("steering") for each in report["certificates"]]
    assert kept["certificates"] == report["certificates"]
    assert said == [f"{each['alpha']:.6g}·code_reading@{each['layer']}" for each in kept["certificates"]]
    assert report["file"].startswith(str(tmp_path / "cache" / "vectors"))
    assert "grid of code_reading, zero-shot: 3/3" in err


def test_one_place_leaves_nothing_to_choose_so_every_observation_certifies(capsys, tiny_model):
    report, _ = calibrate(capsys, tiny_model, "--layers", "2", "--metric", "gold")
    (certificate,) = report["certificates"]
    assert report["n"]["proposal"] == report["n"]["certification"] == certificate["effect"]["n"]
    assert len(certificate["tried"]) == 1


def test_shuffled_labels_are_counted_with_an_interval_and_leave_no_certificate(capsys, tiny_model, tmp_path):
    report, _ = calibrate(capsys, tiny_model, "--shuffled-labels", "3")
    assert report["runs"] == len(report["outcomes"]) == report["rate"]["n"] == 3
    assert report["rate"]["low"] <= report["rate"]["value"] <= report["rate"]["high"]
    assert not list(tmp_path.glob("cache/vectors/**/*.json"))


def test_without_json_a_person_reads_the_grid_and_that_nothing_is_certified(capsys, tiny_model):
    code, out, _ = run(
        capsys, "vectors", "calibrate", "code_reading", "--layers", "1", "--shares", "0.1,0.3",
        *FEW, "--model", tiny_model,
    )  # fmt: skip
    assert code == 0
    assert "nothing is certified for code_reading, zero-shot" in out
    assert "95 % interval" in out
    assert "forward tokens" in out


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["poetry"], "poetry"),
        (["django_web"], "--texts"),
        (["code_reading", "--layers", "5-3"], "--layers"),
        (["0.5·code_reading"], "without strength"),
        (["code_reading + bug_analysis"], "one vector"),
        (["melt(code_reading)"], "melt"),
        (["code_reading", "--layers", "low"], "--layers"),
        (["code_reading", "--shares", "0"], "--shares"),
        (["code_reading", "--shares", "nan"], "--shares"),
        (["code_reading", "--shares", "0.1,0.1"], "--shares"),
        (["code_reading", "--layers", "99", *FEW], "99"),
        (["code_reading", "--metric", "taste"], "taste"),
        (["test_reasoning", "--regime", "few-shot", *FEW], "test_reasoning"),
    ],
    ids=str,
)
def test_a_calibration_that_makes_no_sense_is_refused_in_one_line(capsys, tiny_model, flags, named):
    code, out, err = run(capsys, "vectors", "calibrate", *flags, "--model", tiny_model)
    assert (code, out) == (2, "")
    assert named in err.splitlines()[-1]


@pytest.fixture
def certify(capsys, tiny_model, tmp_path):
    """Keeps a certificate for code_reading, zero-shot, as if a calibration had found it."""

    def certified(**changes):
        report, _ = calibrate(capsys, tiny_model)
        settings = Settings(cache=tmp_path / "cache", model=str(tiny_model))
        with Session(settings, progress=lambda *_: None) as session:
            path = session.vectors.path(session.model, "code_reading")
            (found, *_) = certificates.load(
                path, session.vectors.get(session.model, "code_reading"), session.model
            )
        made = replace(found, certified=True, reason="made up", layer=2, alpha=0.7, **changes)
        certificates.store(path, [made])
        assert report["file"] == str(certificates.store(path, [made]))

    return certified


def solved(capsys, project, problem, model, out):
    arguments = solve_arguments(project, problem, model, out)
    _, printed, _ = run(capsys, *arguments, "--variant", "certified")
    nodes = {node["name"]: node["steering"] for node in json.loads(printed)["nodes"]}
    manifest = json.loads((out / "manifest.json").read_text())["determinants"]
    return nodes, manifest


def test_solve_steers_only_what_is_certified_at_the_certified_place_and_shows_the_evidence(
    capsys, project, problem, tiny_model, tmp_path, certify
):
    before, _ = solved(capsys, project, problem, tiny_model, tmp_path / "before")
    assert not any(steering["applied"] for steering in before.values())
    assert before["code_reading"]["reason"] == "off: no certificate for code_reading, zero-shot"
    certify()
    nodes, manifest = solved(capsys, project, problem, tiny_model, tmp_path / "out")
    reading = nodes["code_reading"]
    assert reading["applied"]
    assert (reading["layer"], reading["alpha"]) == (2, 0.7)
    assert reading["evidence"]["metric"] == "likelihood"
    assert reading["evidence"]["n"] > 0
    assert reading["evidence"]["vector_sha256"] == reading["vector_sha256"]
    assert not nodes["bug_analysis"]["applied"]
    assert nodes["bug_analysis"]["evidence"] is None
    assert manifest["variant"] == "certified" and "policy" not in manifest


def test_a_term_says_what_is_done_along_the_vector_where_and_to_which_tokens(
    capsys, tiny_model, project, problem, tmp_path
):
    flags = ["--shares", "0.3,0.6", *FEW, "--model", tiny_model, "--json"]
    code, out, err = run(capsys, "vectors", "calibrate", "ablate(code_reading)@1..2[user]", *flags)
    assert code == 0, err
    (report,) = json.loads(out)
    for each in report["certificates"]:
        assert (each["operation"], each["positions"]) == ("ablate", "user")
        assert each["steering"].endswith(f"ablate(code_reading)@{each['layer']}[user]")
        assert {cell["layer"] for cell in each["tried"]} == {1, 2}
        assert {cell["alpha"] for cell in each["tried"]} == {0.3, 0.6}


def test_a_node_is_steered_in_the_manner_that_was_certified(
    capsys, project, problem, tiny_model, tmp_path, certify
):
    certify(operation="ablate", positions="prompt")
    nodes, _ = solved(capsys, project, problem, tiny_model, tmp_path / "out")
    assert nodes["code_reading"]["steering"] == "0.7·ablate(code_reading)@2[prompt]"


def test_another_certificate_is_another_run(capsys, project, problem, tiny_model, tmp_path, certify):
    certify()
    _, manifest = solved(capsys, project, problem, tiny_model, tmp_path / "out")
    certify(relative_alpha=0.25)
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    code, line = refused(capsys, *arguments, "--variant", "certified")
    assert code == 2
    assert manifest["certificates"] in line


def test_a_certificate_made_in_another_dtype_steers_nothing(
    capsys, project, problem, tiny_model, tmp_path, certify
):
    certify(dtype="float16")
    nodes, _ = solved(capsys, project, problem, tiny_model, tmp_path / "out")
    assert not nodes["code_reading"]["applied"]


@pytest.mark.parametrize("policy", ["evidence", "rule"])
def test_the_flag_policy_says_what_took_its_place(capsys, project, problem, tiny_model, tmp_path, policy):
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    code, line = refused(capsys, *arguments, "--policy", policy)
    assert code == 2
    assert "--variant certified" in line


def test_a_folder_of_a_run_with_a_policy_says_what_took_its_place(
    capsys, project, problem, tiny_model, tmp_path
):
    out = tmp_path / "out"
    arguments = solve_arguments(project, problem, tiny_model, out)
    run(capsys, *arguments)
    written = json.loads((out / "manifest.json").read_text())
    written["determinants"]["policy"] = "evidence"
    (out / "manifest.json").write_text(json.dumps(written))
    code, line = refused(capsys, *arguments)
    assert code == 2
    assert "--variant certified" in line and "choose another --out" in line
