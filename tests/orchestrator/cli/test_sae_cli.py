"""Sparse autoencoders as a user meets them: trained from a folder, killed and gone on with, looked at."""

import gzip
import json
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from orchestrator.cli import main
from orchestrator.lab.neuronpedia_rows import read_export
from tests.orchestrator.conftest import ended_at
from vectors.lab.sae.folders import read


@pytest.fixture(autouse=True)
def _own_folder(lab_folder):
    for number in range(12):
        place = Path("code", "package", f"m{number}.py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(f"def f{i}(a):\n    return a * {i + number}\n" for i in range(20)))
    Path("code", ".git").mkdir()
    Path("code", ".git", "config").write_text("hidden")
    Path("code", "data.bin").write_bytes(b"\0\xff")


@pytest.fixture
def run(lab):
    """Exit code, stdout and stderr of a command on the tiny model."""
    return partial(lab, "sae")


SMALL = ["code", "--tokens", "2048", "--context", "32", "--batch", "128", "--k", "4", "--width", "2"]


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_several_are_trained_from_one_collection_and_each_has_a_folder(run, cache):
    code, out, err = run(
        "train",
        *SMALL,
        "--k",
        "2,4",
        "--architecture",
        "topk",
        "--architecture",
        "jumprelu",
        "--out",
        "kept",
        "--json",
    )
    assert code == 0, err
    document = json.loads(out)
    names = ["topk-64-k2-seed0", "topk-64-k4-seed0", "jumprelu-64-k2-seed0", "jumprelu-64-k4-seed0"]
    assert [each["name"] for each in document["trained"]] == names
    assert document["settings"]["corpus"] == ["code"]
    assert document["settings"]["layer"] == 2
    for name in names:
        assert {path.name for path in Path("kept/saes", name).iterdir()} == {
            "cfg.json", "sae_weights.safetensors", "sparsity.safetensors",
        }  # fmt: skip
    for each in document["trained"]:
        assert 0 < each["quality"]["l0"]["value"] <= 64
        assert each["quality"]["l0"]["n"] >= 2
        assert each["curve"][-1][0] == each["steps"] - 1
    assert len(list((cache / "activations").iterdir())) == 1
    assert Path("kept/figure.svg").read_text().startswith("<?xml")


def test_the_table_says_what_the_figures_were_measured_on(run):
    code, out, _ = run("train", *SMALL)
    assert code == 0
    assert "autoencoders of block 2" in out
    assert "held out; n counts their contexts" in out
    assert "n < 200: no claim" in out


@pytest.mark.parametrize(
    "said",
    ["^collecting block 2: 0/", r"^training topk-64-k4-seed1 \(.*\): 0/"],
    ids=["collecting", "training"],
)
def test_a_kill_in_the_middle_and_the_same_command_give_the_same_bytes(
    run, tiny_model, tmp_path, monkeypatch, said
):
    command = [*SMALL, "--seeds", "0,1", "--json"]
    whole = run("train", *command, "--out", "whole")[1]
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "other"))
    arguments = ["lab", "sae", "train", *command, "--out", "killed", "--model", str(tiny_model)]
    code, out, _ = ended_at(arguments, said, signal.SIGKILL)
    assert (code, out) == (-signal.SIGKILL, "")
    assert run("train", *command, "--out", "killed")[1] == whole
    assert files(Path("killed/saes")) == files(Path("whole/saes"))


def test_fresh_starts_over(run):
    assert run("train", *SMALL, "--out", "kept")[0] == 0
    assert run("train", *SMALL, "--out", "kept", "--epochs", "2")[0] == 2
    assert run("train", *SMALL, "--out", "kept", "--k", "3", "--fresh")[0] == 0
    assert [path.name for path in Path("kept/saes").iterdir()] == ["topk-64-k3-seed0"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "'nowhere' is no corpus"),
        (["code", "--tokens", "10000000"], "are needed: give more texts"),
        (["code", "--tokens", "2048", "--layer", "9"], "layer 9"),
        (["code", "--tokens", "2048", "--k", "999"], "k = 999 of 256 features"),
        (["code", "--tokens", "2048", "--context", "99999"], "a context of 99999 tokens"),
        (["code", "--k", "0"], "above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_line_and_code_2(run, arguments, said):
    code, out, err = run("train", *arguments)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.fixture
def trained(run, cache):
    """A folder with two autoencoders of the tiny model, which are trained once for all tests."""
    kept = cache / "trained"
    if not kept.is_dir():
        assert run("train", *SMALL, "--k", "2,6", "--out", kept)[0] == 0
    shutil.copytree(kept, "saes")
    return "saes"


def test_an_analysis_decomposes_each_domain_by_each_autoencoder(run, trained):
    command = [trained, "--domains", "code_reading,bug_analysis", "--as-original", "--json"]
    code, out, err = run("analyse", *command, "--out", "kept")
    assert code == 0, err
    document = json.loads(out)
    assert [each["name"] for each in document["analysed"]] == ["topk-64-k2-seed0", "topk-64-k6-seed0"]
    for each in document["analysed"]:
        assert each["layer"] == 2
        assert each["found"]["few"]["n"] == 120
        for row in each["found"]["rows"]:
            assert 0 < row["explained"]["5"] < row["explained"]["20"] < row["explained"]["100"] <= 1
            assert 0 < row["as_original"] < 1
            assert 0 <= row["shared"] <= 20
    findings = json.loads(Path("kept/shown.json").read_text())["findings"]
    assert {each["claim"] for each in findings} == {
        "vectors_are_diffuse", "features_do_not_overlap", "robust_to_sparsity",
    }  # fmt: skip
    assert {each["verdict"] for each in findings} == {"undecided"}  # 120 prompts claim nothing
    assert run("analyse", *command, "--out", "kept")[1] == out


def test_an_autoencoder_of_another_model_is_refused(run, trained):
    place = Path(trained, "saes", "topk-64-k2-seed0", "cfg.json")
    config = json.loads(place.read_text())
    config["metadata"]["model_digest"] = "0" * 64
    place.write_text(json.dumps(config))
    code, _, err = run("analyse", place.parent)
    assert code == 2
    assert "the model that is asked about is another" in err.splitlines()[-1]


def test_what_a_folder_holds_is_shown_with_the_tokens_of_its_features_and_what_activates_them(run, trained):
    code, out, err = run("show", trained, "--top", "3", "--tokens", "1500", "--json")
    assert code == 0, err
    shown, texts = json.loads(out)["shown"], [path.read_text() for path in Path("code").rglob("*.py")]
    assert [each["name"] for each in shown] == ["topk-64-k2-seed0", "topk-64-k6-seed0"]
    for each in shown:
        facts = (each["architecture"], each["layer"], each["d_sae"], len(each["features"]))
        assert facts == ("topk", 2, 64, 3)
        assert 0 < each["l0"] <= 6 and 0 <= each["dead"] < 1
        assert each["looked_through"] == 1536  # shards are read whole
        for feature in each["features"].values():
            assert len(feature["lens"]["promoted"]) == 6
            assert 0 <= feature["output_score"] <= 1
            assert feature["input_score"]["n"] >= 10
            assert len(feature["contexts"]) == 10
            largest = [context["activations"][context["strongest"]] for context in feature["contexts"]]
            assert largest == sorted(largest, reverse=True) and largest[-1] > 0
            for context in feature["contexts"]:
                assert len(context["tokens"]) == len(context["activations"]) <= 49
                pieces = "".join(context["tokens"]).split("<|im_end|>")
                assert all(any(piece in text for text in texts) for piece in pieces)
    code, out, _ = run("show", trained, "--top", "2")
    assert code == 0
    assert "where they are most active, of 2,048 tokens" in " ".join(out.split())
    assert "«" in out


def test_features_are_shown_by_number_and_one_that_there_is_not_is_told(run, trained):
    place = Path(trained, "saes", "topk-64-k6-seed0")
    code, out, _ = run("show", place, "--features", "5,2", "--json")
    assert code == 0
    assert list(json.loads(out)["shown"][0]["features"]) == ["5", "2"]
    code, _, err = run("show", place, "--features", "64")
    assert code == 2
    assert "has no feature 64: expected 0 to 63" in err.splitlines()[-1]


def test_without_the_residuals_in_the_cache_features_are_shown_without_contexts(
    run, trained, monkeypatch, tmp_path
):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "other"))
    place = Path(trained, "saes", "topk-64-k6-seed0")
    saved = json.loads((place / "cfg.json").read_text())
    saved["metadata"]["corpus_sha256"] = "0" * 64
    (place / "cfg.json").write_text(json.dumps(saved))
    code, out, _ = run("show", place, "--top", "2")
    assert code == 0
    assert "No contexts of topk-64-k6-seed0" in " ".join(out.split())


def test_vectors_of_features_are_kept_with_certificates_and_steer_as_any_domains(
    run, trained, capsys, tiny_model
):
    place = Path(trained, "saes", "topk-64-k6-seed0")
    command = [place, "code_reading", "--top", "4", "--n", "2", "--out", "kept", "--json"]
    code, out, err = run("features", *command)
    assert code == 0, err
    document = json.loads(out)
    names = [
        f"code_reading-{s}-{c}"
        for c in ("difference", "output", "published")
        for s in ("weighted", "uniform", "single")
    ]
    assert [each["name"] for each in document["made"]] == names
    assert set(document["random"]) == {"add", "multiply"}
    for each in document["made"]:
        assert 1 <= len(each["features"]) <= (1 if "single" in each["name"] else 4)
        certificates = json.loads(Path(f"{each['file']}.certificates.json").read_text())["certificates"]
        assert [one["operation"] for one in certificates] == ["add", "multiply"]
        for effect, one in zip(each["effects"], certificates, strict=True):
            assert (effect["mode"], effect["certified"]) == (one["operation"], False)
            assert effect["effect"]["n"] == effect["harm"]["n"] == 2
            assert one["controls"][0]["kind"] == "features" and one["controls"][0]["vectors"] == 16
            assert effect["reason"] == one["reason"]
    chosen = {each["name"]: set(each["features"]) for each in document["made"]}
    assert chosen["code_reading-single-published"] <= chosen["code_reading-uniform-published"]
    findings = json.loads(Path("kept/shown.json").read_text())["findings"]
    assert [each["claim"] for each in findings] == [
        "features_harm_less", "output_score_harms_less", "output_score_harms_less",
    ]  # fmt: skip
    assert {each["verdict"] for each in findings} == {"undecided"}  # 2 texts claim nothing
    assert run("features", *command)[1] == out  # gone on with, from what is kept
    with pytest.raises(SystemExit) as exit_:
        main(["vectors", "show", names[0], "--json", "--model", str(tiny_model)])
    assert (exit_.value.code or 0) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["shown_layer"] == 2
    assert sum(norm > 0 for norm in shown["norms"]) == 1


def test_a_domain_without_texts_has_its_vectors_and_no_measurements(run, trained):
    place = Path(trained, "saes", "topk-64-k2-seed0")
    code, out, _ = run("features", place, "calendar", "--top", "2", "--json")
    assert code == 0
    document = json.loads(out)
    assert len(document["made"]) == 9
    assert all(each["effects"] == [] for each in document["made"])
    assert document["contrasts"] == []


def test_an_export_is_read_back_as_neuronpedias_own_with_the_same_features(run, trained):
    place = Path(trained, "saes", "topk-64-k6-seed0")
    code, out, err = run("export", place, "--out", "exported", "--contexts", "12", "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said == {
        "folder": "exported",
        "model": "tiny-llama",
        "source": "2-topk-64-k6-seed0",
        "features": 64,
        "activations": said["activations"],
        "looked_through": 2048,
    }
    sae, found = read(place), {int(each.index): each for each in read_export(Path("exported"))}
    assert list(found) == list(range(64))
    for index, feature in found.items():
        assert feature.name == f"tiny-llama/2-topk-64-k6-seed0/{index}"
        assert torch.equal(torch.tensor(feature.vector), sae.w_dec[index])
        assert feature.hook_name == "blocks.2.hook_resid_post"
        assert len(feature.pos_str) == len(feature.neg_str) == 10
    (single,) = map(json.loads, Path("exported", "source.jsonl").read_text().splitlines())
    assert (single["id"], single["modelId"]) == ("2-topk-64-k6-seed0", "tiny-llama")
    for name in ("release", "model", "sourceset"):
        assert len(Path("exported", f"{name}.jsonl").read_text().splitlines()) == 1
    with gzip.open("exported/activations/batch-0.jsonl.gz", "rt") as file:
        rows = list(map(json.loads, file))
    assert len(rows) == said["activations"] > 64
    assert len({row["id"] for row in rows}) == len(rows)
    largest = dict.fromkeys(range(64), 0.0)
    for row in rows:
        assert row["values"][row["maxValueTokenIndex"]] == row["maxValue"] == max(row["values"]) > 0
        assert len(row["tokens"]) == len(row["values"])
        largest[int(row["index"])] = max(largest[int(row["index"])], row["maxValue"])
    for index, feature in found.items():
        assert feature.max_act_approx == pytest.approx(largest[index], abs=1e-4)
        assert (feature.frac_nonzero > 0) <= (largest[index] > 0)
    again = run("export", place, "--out", "again", "--contexts", "12")
    assert again[0] == 0 and "64 features" in again[1]
    assert files(Path("again")) == files(Path("exported"))
    code, _, err = run("export", place, "--out", "again")
    assert code == 2 and "again holds something" in err.splitlines()[-1]


def test_a_batch_of_an_export_has_1024_features(run, tmp_path):
    assert run("train", *SMALL, "--width", "40", "--out", "wide")[0] == 0
    place = Path("wide/saes/topk-1280-k4-seed0")
    assert run("export", place, "--out", "exported", "--contexts", "1", "--tokens", "1000")[0] == 0
    counts = []
    for number in range(2):
        with gzip.open(f"exported/features/batch-{number}.jsonl.gz", "rt") as file:
            counts.append(len(file.readlines()))
    assert counts == [1024, 256]
    assert sorted(path.name for path in Path("exported", "activations").iterdir()) == [
        "batch-0.jsonl.gz",
        "batch-1.jsonl.gz",
    ]
