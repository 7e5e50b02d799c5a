import subprocess
import sys
import threading

import pytest

from swebench.errors import EnvironmentUnavailable
from swebench.running.venvs import complete, environments_below, find_python, pip_environment, run

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_folder_is_built_once_by_however_many_ask(tmp_path):
    built = []

    def build(folder):
        built.append(folder)
        (folder / "file").write_text("x")
        return {"n": len(built)}

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(complete(tmp_path / "made", build))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"n": 1}] * 4 and len(built) == 1


def test_what_a_killed_build_left_is_not_taken_for_complete(tmp_path):
    code = (
        "import os, pathlib, sys\n"
        "from swebench.running.venvs import complete\n"
        "def build(folder):\n    (folder / 'half').write_text('x')\n    os._exit(9)\n"
        "complete(pathlib.Path(sys.argv[1]), build)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "made"], check=False)
    assert done.returncode == 9 and (tmp_path / "made" / "half").exists()

    assert complete(tmp_path / "made", lambda folder: {"empty": not list(folder.iterdir())}) == {
        "empty": True
    }


def test_a_failed_build_is_tried_again(tmp_path):
    def fail(folder):
        raise EnvironmentUnavailable("no")

    with pytest.raises(EnvironmentUnavailable):
        complete(tmp_path / "made", fail)
    assert complete(tmp_path / "made", lambda folder: {"ok": True}) == {"ok": True}


def test_an_interpreter_of_this_version_is_found():
    found = find_python(HERE)
    command = [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == HERE


def test_a_missing_interpreter_is_named_with_what_to_do():
    with pytest.raises(EnvironmentUnavailable, match=r"Python 2\.3 is not on this machine.*install"):
        find_python("2.3")


def test_a_failed_step_says_which_and_where_its_output_is(tmp_path):
    log = tmp_path / "build.log"
    with pytest.raises(EnvironmentUnavailable) as raised:
        run([sys.executable, "-c", "raise SystemExit('ERROR: no such wheel')"], log, {})
    assert "no such wheel" in str(raised.value) and str(log) in str(raised.value)
    assert "\n" not in str(raised.value) and "no such wheel" in log.read_text()


def test_installing_sees_the_index_and_nothing_else_of_the_user(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    monkeypatch.setenv("PIP_FIND_LINKS", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    found = pip_environment(dated=True)
    assert not {"SECRET_TOKEN", "PIP_FIND_LINKS", "PYTHONPATH"} & set(found)
    assert found["PIP_UPLOADED_PRIOR_TO"] > "2024" and "PIP_UPLOADED_PRIOR_TO" not in pip_environment()


def test_an_environment_is_made_where_it_is_and_not_by_a_link_that_may_go_away(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "environments").symlink_to(tmp_path / "kept")
    assert environments_below(tmp_path / "cache") == (tmp_path / "kept").resolve()
