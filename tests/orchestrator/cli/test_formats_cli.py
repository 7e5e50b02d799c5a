"""`orchestrate vectors export` and `import` as a user meets them."""

import json

import pytest
import torch
from gguf import GGUFReader

from tests.orchestrator.cli.test_cli import refused, run
from vectors.formats.registry import BUILT_IN

SUFFIX = {"gguf": ".gguf", "repeng": ".gguf", "lm-eval": ".pt"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One for all tests, so that a domain's vector is extracted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a tiny model is slower on many
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def export(capsys, tiny_model):
    """Export code_reading as a format with more flags; the JSON document that comes of it."""

    def export(name, out, *flags):
        arguments = ["code_reading", "--model", tiny_model, "--format", name, "--out", out, *flags]
        code, printed, _ = run(capsys, "vectors", "export", *arguments, "--json")
        assert code == 0
        return json.loads(printed)

    return export


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_exported_can_be_imported_listed_and_exported_again(
    capsys, tiny_model, tmp_path, export, name
):
    file = tmp_path / f"theirs{SUFFIX.get(name, '.safetensors')}"
    said = export(name, file, "--layer", "2", "--alpha", "3")
    assert said["layers"][0] | {"relative_alpha": 0} == {"layer": 2, "alpha": 3.0, "relative_alpha": 0}
    flags = ["--format", "repeng"] if name == "repeng" else []
    arguments = [file, "--model", tiny_model, "--domain", "mine", *flags, "--json"]
    code, printed, _ = run(capsys, "vectors", "import", *arguments)
    assert code == 0
    imported = json.loads(printed)
    assert (imported["format"], imported["domain"], imported["layer"]) == (name, "mine", 2)
    assert imported["alpha"] == pytest.approx(3)
    assert imported["layers"] == ([0, 1, 2, 3] if name == "safetensors" else [2])
    again = tmp_path / f"again{file.suffix}"
    arguments = [imported["file"], "--model", tiny_model, "--format", name, "--out", again]
    assert run(capsys, "vectors", "export", *arguments)[0] == 0
    assert again.stat().st_size > 0
    assert imported["file"] in run(capsys, "vectors", "list")[1]


def test_a_file_can_be_named_for_the_import_and_must_end_as_vector_files_do(
    capsys, tiny_model, tmp_path, export
):
    export("lm-eval", tmp_path / "theirs.pt")
    arguments = ["vectors", "import", tmp_path / "theirs.pt", "--model", tiny_model, "--domain", "mine"]
    code, printed, _ = run(capsys, *arguments, "--out", tmp_path / "mine.safetensors")
    assert code == 0
    assert "a vector at 1 of 4 layers" in printed
    assert (tmp_path / "mine.safetensors").exists()
    code, line = refused(capsys, *arguments, "--out", tmp_path / "mine.pt")
    assert code == 2
    assert ".safetensors" in line


def test_all_layers_leave_out_block_0_where_it_cannot_be_said_and_say_so(
    capsys, tiny_model, tmp_path, export
):
    file = tmp_path / "all.gguf"
    assert [row["layer"] for row in export("gguf", file, "--layer", "all")["layers"]] == [1, 2, 3]
    assert [tensor.name for tensor in GGUFReader(file).tensors] == [f"direction.{i}" for i in (1, 2, 3)]
    arguments = ["code_reading", "--model", tiny_model, "--format", "gguf", "--layer", "all", "--out", file]
    assert "block 0 is left out" in run(capsys, "vectors", "export", *arguments)[1]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--format", "gguf", "--layer", "0"], "cannot name block 0"),
        (["--format", "gguf", "--mode", "multiply"], "export mode add"),
        (["--format", "safetensors", "--mode", "multiply"], "export mode add"),
        (["--format", "gguf", "--alpha", "0"], "adds nothing"),
        (["--format", "gguf", "--alpha", "nan"], "finite"),
        (["--format", "gguf", "--layer", "4"], "does not exist"),
        (["--format", "gguf", "--layer", "-1"], "does not exist"),
        (["--format", "gguf", "--layer", "some"], "neither numbers of layers nor all"),
        (["--format", "lm-eval"], "ends with .pt"),
        (["--format", "onnx"], "onnx"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(capsys, tiny_model, tmp_path, flags, complaint):
    out = tmp_path / ("x.safetensors" if "safetensors" in flags else "x.gguf")
    arguments = ["code_reading", "--model", tiny_model, "--out", out, *flags]
    run(
        capsys, "vectors", "extract", "code_reading", "--model", tiny_model
    )  # its progress is not the subject
    code, line = refused(capsys, "vectors", "export", *arguments)
    assert code == 2
    assert complaint in line
    assert not out.exists()


def test_what_cannot_be_imported_is_refused_in_one_line(capsys, tiny_model, tmp_path, export, cache):
    file = tmp_path / "theirs.pt"
    export("lm-eval", file)
    kept = sorted(cache.rglob("*.safetensors"))
    model = ["--model", tiny_model]
    code, line = refused(capsys, "vectors", "import", file, *model)
    assert code == 2
    assert "add --domain NAME" in line
    for name in ("../up", "", "a b", "x" * 65):
        assert refused(capsys, "vectors", "import", file, *model, "--domain", name)[0] == 2
    (tmp_path / "junk").write_bytes(b"junk" * 9)
    code, line = refused(capsys, "vectors", "import", tmp_path / "junk", *model, "--domain", "mine")
    assert code == 2
    assert "no format" in line
    config = torch.load(file, weights_only=True)
    torch.save({f"model.{name}": entry for name, entry in config.items()}, file)
    code, line = refused(capsys, "vectors", "import", file, *model, "--domain", "mine")
    assert code == 2
    assert "layers.0 to layers.3" in line
    assert sorted(cache.rglob("*.safetensors")) == kept
