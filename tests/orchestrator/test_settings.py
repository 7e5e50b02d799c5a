"""Settings come from defaults, orchestrate.toml, the environment and flags, in rising order."""

import pytest
from pydantic import ValidationError

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


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"seed": -1}, {"variant": "sometimes"}, {"sample": 1}])
def test_a_run_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        RunConfig(**wrong)
