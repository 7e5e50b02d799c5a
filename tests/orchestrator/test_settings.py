"""Settings come from defaults, orchestrate.toml, the environment and flags, in rising order."""

import pytest
from pydantic import ValidationError

from orchestrator.cli import options
from orchestrator.errors import ConfigError
from orchestrator.run_config import RunConfig
from orchestrator.settings import Settings


def test_flags_beat_the_environment_which_beats_the_file_which_beats_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MODEL", "DTYPE", "LOG_LEVEL"):
        monkeypatch.delenv(f"ORCHESTRATE_{name}", raising=False)
    assert Settings().model == "smollm2-135m"
    (tmp_path / "orchestrate.toml").write_text('model = "from-file"\ndtype = "float32"\n')
    assert Settings().model == "from-file"
    monkeypatch.setenv("ORCHESTRATE_MODEL", "from-environment")
    assert Settings().model == "from-environment"
    assert Settings(model="from-flag").model == "from-flag"
    assert Settings().dtype == "float32"


def test_a_misspelt_key_in_the_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orchestrate.toml").write_text('modle = "x"\n')
    with pytest.raises(ValidationError, match="modle"):
        Settings()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"model = \n", "is no TOML: "),
        (b"[serve\n", "is no TOML: "),
        (b'model = "\xe9"\n', "is not UTF-8 (byte 9)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path, monkeypatch, content, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orchestrate.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Settings()
    assert str(caught.value).startswith(f"orchestrate.toml {why}")
    assert "\n" not in str(caught.value)


def test_a_misspelt_variable_is_refused_and_says_what_was_probably_meant(monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_MODLE", "x")
    with pytest.raises(ConfigError, match=r"ORCHESTRATE_MODLE is no setting.*model"):
        Settings()


def test_variables_of_the_server_and_of_other_programs_are_none_of_these(monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_SERVE__PORT", "9000")
    monkeypatch.setenv("_ORCHESTRATE_COMPLETE", "bash_source")
    assert Settings().serve == {"port": "9000"}


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"seed": -1}, {"variant": "sometimes"}, {"sample": 1}])
def test_a_run_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        RunConfig(**wrong)


def test_a_folder_that_a_setting_names_must_be_there_and_one_that_a_flag_names_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_VECTORS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"the setting vectors is .*nowhere"):
        options.settings()
    assert options.settings(vectors=tmp_path / "new").vectors == tmp_path / "new"
