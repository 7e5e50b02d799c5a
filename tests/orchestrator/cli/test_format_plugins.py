"""A format that another distribution adds, installed and used by the command that its user types."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.cli.test_cli import refused, run
from tests.plugins import documented, install

GROUP = "orchestrate.vector_formats"
SOURCE = documented("Vector formats")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install(tmp_path_factory.mktemp("plugin"), "vectors-npz", SOURCE, GROUP, npz="NPZ")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    yield
    for module in ("vectors_npz", "broken"):
        sys.modules.pop(module, None)


def test_an_installed_format_exports_and_imports_as_ours_do(site, tmp_path, tiny_model):
    project = Path(__file__).parents[3]
    path = os.pathsep.join(filter(None, [str(site), str(project), os.environ.get("PYTHONPATH")]))

    def orchestrate(*arguments):
        script = "from orchestrator.cli import main; main()"
        command = [sys.executable, "-c", script, "vectors", *arguments, "--model", tiny_model, "--json"]
        env = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    file = tmp_path / "theirs.npz"
    flags = ["--format", "npz", "--layer", "1", "--alpha", "3"]
    assert orchestrate("export", "code_reading", *flags, "--out", file)["format"] == "npz"
    imported = orchestrate("import", file, "--format", "npz", "--domain", "mine")
    assert (imported["layer"], imported["layers"], imported["alpha"]) == (1, [1], pytest.approx(3))


def test_it_may_say_what_none_of_ours_can_and_a_vector_is_still_only_added(
    capsys, site, tmp_path, tiny_model, monkeypatch
):
    monkeypatch.syspath_prepend(site)
    flags = ["--model", tiny_model, "--format", "npz"]
    export = ["code_reading", *flags, "--mode", "multiply", "--out", tmp_path / "theirs.npz", "--json"]
    code, printed, _ = run(capsys, "vectors", "export", *export)
    assert (code, json.loads(printed)["mode"]) == (0, "multiply")
    code, line = refused(capsys, "vectors", "import", tmp_path / "theirs.npz", *flags, "--domain", "mine")
    assert code == 2
    assert "says to multiply; only what is added can be imported" in line


@pytest.mark.parametrize(
    ("source", "entry", "said"),
    [
        ("NPZ = 1/0", "mine", "'mine' of orchestrate.vector_formats, broken:NPZ from broken 1.0, cannot be"),
        ("NPZ = 1", "mine", "from broken 1.0, is a int, expected a Format"),
        (SOURCE, "gguf", "this project and broken 1.0 both provide 'gguf' of orchestrate.vector_formats"),
        (SOURCE.replace("file.getvalue()", "steerings[9]"), "mine", "the format mine of a plug-in failed: "),
    ],
)
def test_a_format_that_cannot_be_used_is_named_in_one_line(
    capsys, tmp_path, tiny_model, monkeypatch, source, entry, said
):
    monkeypatch.syspath_prepend(install(tmp_path, "broken", source, GROUP, **{entry: "NPZ"}))
    run(capsys, "vectors", "extract", "code_reading", "--model", tiny_model)  # its progress is no subject
    out = tmp_path / ("x.gguf" if entry == "gguf" else "x.npz")
    flags = ["--model", tiny_model, "--format", entry, "--out", out, "--alpha", "3"]
    code, line = refused(capsys, "vectors", "export", "code_reading", *flags)
    assert code == 2
    assert said in line
    assert not out.exists()


def test_a_name_that_nothing_provides_is_refused_with_those_that_there_are(
    capsys, site, tiny_model, monkeypatch
):
    monkeypatch.syspath_prepend(site)
    flags = ["--model", tiny_model, "--format", "onnx", "--out", "x"]
    code, line = refused(capsys, "vectors", "export", "code_reading", *flags)
    assert code == 2
    assert "there is no format 'onnx': choose one of gguf, lm-eval, " in line
    assert "npz" in line
