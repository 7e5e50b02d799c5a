"""Which Python a project's tests run on."""

import sys
import venv
from pathlib import Path

import pytest

from swebench.errors import WrongEnvironment
from swebench.running.interpreters import found_interpreters, named_python, of_folder, probed, programs


@pytest.fixture
def environment(tmp_path):
    """Makes an environment without pip, which is made in no time."""

    def make(name):
        venv.create(tmp_path / name, with_pip=False, symlinks=True)
        return tmp_path / name

    return make


def test_the_active_environment_comes_before_the_projects_own(environment, tmp_path, monkeypatch):
    active, own = environment("active"), environment("project/.venv")
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    found = [each.prefix for each in found_interpreters([tmp_path / "project"])]
    assert found[:2] == [active, own]
    monkeypatch.delenv("VIRTUAL_ENV")
    assert next(iter(found_interpreters([tmp_path / "project"]))).prefix == own


def test_this_programs_own_environment_is_nobodys(monkeypatch, tmp_path):
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests run in no environment")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("PATH", str(Path(sys.prefix, "bin")))
    assert list(found_interpreters([tmp_path])) == []


def test_an_environment_says_what_it_has(environment, tmp_path):
    folder = environment("project/venv")
    found = of_folder(folder, "here")
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.runners == frozenset() and found.prefix == folder
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "pytest.py").write_text("")
    after = of_folder(folder, "here")
    assert after.runners == {"pytest"} and after.digest != found.digest


def test_one_that_does_not_run_is_passed_over_unless_it_was_named(tmp_path, monkeypatch):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(found_interpreters([tmp_path])) == []
    with pytest.raises(WrongEnvironment, match="no environment"):
        of_folder(tmp_path / ".venv", "--environment")
    with pytest.raises(WrongEnvironment, match="does not run"):
        probed(Path("/bin/true"), "--python")


def test_a_python_is_named_by_version_path_or_name(tmp_path):
    version = ".".join(map(str, sys.version_info[:2]))
    assert probed(named_python(version), "").version.startswith(version)
    assert named_python(sys.executable) == Path(sys.executable)
    with pytest.raises(WrongEnvironment, match="no-such-python"):
        named_python("no-such-python")


def test_a_python_of_another_name_is_called_python_in_its_folder(tmp_path):
    other = tmp_path / "bin" / "python9"
    other.parent.mkdir()
    other.symlink_to(sys.executable)
    folder = programs(other, tmp_path / "cache")
    assert (folder / "python").readlink() == other
    assert programs(Path(sys.executable).with_name("python"), tmp_path) == Path(sys.executable).parent
