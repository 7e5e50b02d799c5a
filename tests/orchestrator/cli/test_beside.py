"""Beside the official SWE-bench package, whose import name is that of one of our rooms."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import beside
from swebench.grading.official.client import PACKAGE

PROJECT = Path(__file__).parents[3]


def pip(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def our_wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    made = pip("wheel", PROJECT, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def official_wheel(cache_dir):
    """From the cache, so that the index is asked once for each machine."""
    folder = cache_dir / "wheels"
    if not list(folder.glob("swebench-*.whl")):
        fetched = pip("download", PACKAGE, "--no-deps", "--only-binary=:all:", "--dest", folder)
        if fetched.returncode != 0:
            pytest.skip(f"{PACKAGE} cannot be had: {(fetched.stderr.strip().splitlines() or ['?'])[-1]}")
    (wheel,) = folder.glob("swebench-*.whl")
    return wheel


def installed(folder, *wheels):
    """The wheels in an environment's layout, in this order: unlike `--target`, it holds the files of both."""
    options = ("--ignore-installed", "--no-deps", "--no-index", "--no-compile", "--prefix", folder)
    for wheel in wheels:
        done = pip("install", *options, wheel)
        assert done.returncode == 0, done.stderr
    return folder


def orchestrate(folder, *arguments):
    """Exit code, stdout and stderr of the command installed there, which finds our dependencies here."""
    (packages,) = folder.glob("lib/python*/site-packages")
    done = subprocess.run(
        [folder / "bin" / "orchestrate", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


SOLVE = ("solve", "no-such-task", "--json")
"""Wrong input, so that an installation that works answers soon."""


def test_our_wheel_alone_works(our_wheel, tmp_path):
    folder = installed(tmp_path, our_wheel)
    code, out, _ = orchestrate(folder, "--version")
    assert code == 0
    assert out.startswith(f"orchestrate {our_wheel.name.split('-')[1]} (Python ")
    code, _, err = orchestrate(folder, *SOLVE)
    assert code == 2
    assert "no instance" in err


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_official_package_in_one_environment_is_said_in_one_line(
    our_wheel, official_wheel, tmp_path, ours_first
):
    wheels = (our_wheel, official_wheel) if ours_first else (official_wheel, our_wheel)
    folder = installed(tmp_path, *wheels)
    for arguments in (("--version",), SOLVE):
        code, out, err = orchestrate(folder, *arguments)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert "official SWE-bench package" in line
        assert "pip uninstall swebench" in line


def test_what_uninstalling_the_official_package_leaves_is_not_whole(tmp_path):
    """It takes `__init__.py` along, which both have. A packaged file is read, for want of what it imports."""
    (tmp_path / "swebench" / "patches").mkdir(parents=True)
    (tmp_path / "swebench" / "patches" / "trees.py").touch()
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1]); print(runpy.run_path(sys.argv[2])['damage']())"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, tmp_path, beside.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is not whole, as after `pip uninstall swebench`" in done.stdout
