"""Sparse autoencoders as a user meets them: trained from a folder, killed and gone on with, looked at."""

import json
import signal
from pathlib import Path

import pytest
import torch

from orchestrator.cli import main
from tests.orchestrator.conftest import ended_at


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny matrices are slower on many
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for number in range(12):
        place = Path("code", "package", f"m{number}.py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(f"def f{i}(a):\n    return a * {i + number}\n" for i in range(20)))
    Path("code", ".git").mkdir()
    Path("code", ".git", "config").write_text("hidden")
    Path("code", "data.bin").write_bytes(b"\0\xff")
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(capsys, monkeypatch, cache, tiny_model):
    """Exit code, stdout and stderr of a command on the tiny model."""
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache))

    def run(command, *arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["lab", "sae", command, *map(str, arguments), "--model", str(tiny_model)])
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return run


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
def trained(run):
    """A folder with two autoencoders of the tiny model."""
    assert run("train", *SMALL, "--k", "2,6", "--out", "saes")[0] == 0
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


def test_what_a_folder_holds_is_shown_with_the_tokens_of_its_features(run, trained):
    code, out, err = run("show", trained, "--top", "3", "--json")
    assert code == 0, err
    shown = json.loads(out)["shown"]
    assert [each["name"] for each in shown] == ["topk-64-k2-seed0", "topk-64-k6-seed0"]
    for each in shown:
        assert (each["architecture"], each["layer"], each["d_sae"], len(each["features"])) == (
            "topk",
            2,
            64,
            3,
        )
        assert 0 < each["l0"] <= 6 and 0 <= each["dead"] < 1
        assert all(len(lens["promoted"]) == 6 for lens in each["features"].values())


@pytest.mark.parametrize("mode", ["add", "multiply"])
def test_vectors_of_features_are_kept_and_steer_as_any_domains(run, trained, mode, capsys, tiny_model):
    place = Path(trained, "saes", "topk-64-k6-seed0")
    command = [place, "code_reading", "--top", "4", "--mode", mode, "--limit", "2", "--json"]
    code, out, err = run("features", *command)
    assert code == 0, err
    document = json.loads(out)
    names = [
        f"code_reading-{s}-{c}" for c in ("difference", "output") for s in ("weighted", "uniform", "single")
    ]
    assert [each["name"] for each in document["vectors"]] == names
    assert len(document["random"]) == 8
    for each in document["vectors"]:
        assert Path(each["file"]).is_file()
        assert 1 <= len(each["features"]) <= (1 if "single" in each["name"] else 4)
        assert each["effect"]["n"] == 2 and 0 <= each["p"] <= 1
    with pytest.raises(SystemExit) as exit_:
        main(["vectors", "show", names[0], "--json", "--model", str(tiny_model)])
    assert (exit_.value.code or 0) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["shown_layer"] == 2
    assert sum(norm > 0 for norm in shown["norms"]) == 1
