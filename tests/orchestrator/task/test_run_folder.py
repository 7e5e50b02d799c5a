"""A run's folder holds one run: what is written is whole, and other settings are refused by name."""

import json

import pytest

from orchestrator.errors import MixedRunError, OrchestratorError
from orchestrator.task.artifacts import Artifacts, open_run

FACTS = {"python": "3"}


def test_a_folder_of_the_same_settings_is_gone_on_with(tmp_path):
    open_run(tmp_path, {"seed": 0}, FACTS)
    open_run(tmp_path, {"seed": 0}, {"python": "4"})
    assert json.loads((tmp_path / "manifest.json").read_text())["facts"] == FACTS


def test_other_settings_are_refused_with_the_setting_that_differs(tmp_path):
    open_run(tmp_path, {"seed": 0, "variant": "adaptive"}, FACTS)
    with pytest.raises(MixedRunError, match="seed is 0 there and 1 here"):
        open_run(tmp_path, {"seed": 1, "variant": "adaptive"}, FACTS)


def test_starting_over_replaces_the_manifest_only_where_no_other_instance_depends_on_it(tmp_path):
    open_run(tmp_path, {"seed": 0}, FACTS)
    (tmp_path / "mine").mkdir()
    open_run(tmp_path, {"seed": 1}, FACTS, replacing="mine")
    assert json.loads((tmp_path / "manifest.json").read_text())["determinants"] == {"seed": 1}
    (tmp_path / "other").mkdir()
    with pytest.raises(MixedRunError):
        open_run(tmp_path, {"seed": 2}, FACTS, replacing="mine")


def test_a_failed_write_leaves_the_old_text_and_no_litter(tmp_path):
    artifacts = Artifacts(tmp_path, "a")
    artifacts.write("x.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        artifacts.write("x.txt", "\ud800")
    assert artifacts.read("x.txt") == "old"
    assert [path.name for path in artifacts.folder.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("name", ["../a", "a/b", "/etc", ".."])
def test_an_instance_id_that_is_not_a_plain_name_gets_no_folder(tmp_path, name):
    with pytest.raises(OrchestratorError):
        Artifacts(tmp_path / "out", name)
