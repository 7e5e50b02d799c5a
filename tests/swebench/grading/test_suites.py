"""Official specs as commands: what a row or a patch says is never part of a script."""

import sys
from pathlib import Path

import pytest

from swebench.data.tasks import Instance
from swebench.errors import EnvironmentUnavailable, NoTestsNear, NotGradeable
from swebench.grading.environments import Environment, environment, tree_commands
from swebench.grading.official.client import Official, Spec
from swebench.grading.suites import LocalTestBed
from swebench.grading.verdicts import certify, ensure_gradeable, grade, run_existing_tests
from swebench.patches.trees import Scratch
from swebench.running.hearing import Status
from swebench.running.runner import isolation, run_tests
from tests.swebench.conftest import CALC, FIX, calc_row, opened, write_files

SPEC = Spec(
    python=f"{sys.version_info.major}.{sys.version_info.minor}",
    packages="",
    requirements="",
    conda="",
    pip_packages=(),
    pre_install=("apt-get update && apt-get install -y graphviz", "sed -i 's/quiet/loud/' setup.cfg"),
    install="python -m pip install -e .",
    eval_commands=("sed -i '/en_US/s/^# //g' /etc/locale.gen && locale-gen", "export LANG=xx_YY.UTF-8"),
    test_cmd="cat setup.cfg; env; python -m pytest -rA -p no:cacheprovider",
)


class HereOfficial(Official):
    """The official package where it is out of reach: one spec, pytest's words, the row's own lists."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))

    def spec(self, repo, version, commit, git):
        return SPEC

    def directives(self, repo, test_patch):
        return [line.split(" b/")[1] for line in test_patch.splitlines() if line.startswith("diff --git")]

    def statuses(self, repo, logs):
        def read(log):
            words = [line.split() for line in log.splitlines() if line.startswith(("PASSED ", "FAILED "))]
            return {word[1]: word[0] for word in words}

        return [read(log) for log in logs]


class HereTestBed(LocalTestBed):
    """A test bed whose environment is the one that the tests run in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._official = HereOfficial()
        (folder / "venv").mkdir()
        (folder / "venv" / "bin").symlink_to(Path(sys.executable).parent)
        write_files(folder / "products", {"calc.egg-info/PKG-INFO": "Name: calc\n", "calc.py": "stale\n"})
        self._place = Environment("digest", folder, ())

    def environment(self, task, git):
        return SPEC, self._place


@pytest.fixture
def test_bed(tmp_path):
    (tmp_path / "environment").mkdir()
    return HereTestBed(tmp_path / "environment")


def near(patch):
    """What a ranking gives for any patch."""
    return ["tests/test_calc.py"]


def official_row(base, **columns):
    return calc_row(base, test_cmd=None, log_parser=None, version="1.0", **columns)


@pytest.fixture
def real(make_repository):
    """A repository whose row says nothing of its tests but a version, as those of SWE-bench."""
    folder, base = make_repository({**CALC, "setup.cfg": "[tool]\nmode = quiet\n"})
    return opened(folder), Instance.from_row(official_row(base))


def test_the_machine_is_left_alone_and_the_tree_prepared(real, test_bed):
    git, instance = real
    suite = test_bed.existing(instance.task, git, ["tests/test_calc.py"])
    script, arguments = suite.command[2], suite.command[4:]
    assert "apt-get" not in script and "sed -i 's/quiet/loud/' setup.cfg" in script
    assert arguments == ["tests/test_calc.py"] and "test_calc" not in script


@pytest.mark.parametrize(
    "command", ["apt-get install -y x", "echo a > /etc/locale.gen", "wget http://x", "cd /testbed"]
)
def test_commands_that_act_on_the_machine_are_not_run(command):
    assert tree_commands((command, "sed -i s/a/b/ setup.py")) == ["sed -i s/a/b/ setup.py"]


def test_the_existing_tests_near_a_change_are_run_in_the_official_way(real, test_bed):
    git, instance = real
    found = run_existing_tests(instance.task, git, FIX, test_bed=test_bed, nearest=near)
    assert found.ok and found.passed == 1 and "mode = loud" in found.run.log
    broken = FIX.replace("a + b", "a +")
    found = run_existing_tests(instance.task, git, broken, test_bed=test_bed, nearest=near)
    assert not found.ok and found.failed == ("tests/test_calc.py::test_double",)


def test_a_run_sees_the_tree_what_installing_wrote_and_a_locale_that_exists(real, test_bed):
    git, instance = real
    log = run_existing_tests(instance.task, git, FIX, test_bed=test_bed, nearest=near).run.log
    assert "LANG=C.UTF-8" in log and "xx_YY" not in log
    assert "TOX_OVERRIDE=testenv.pass_env+=PYTHONPATH" in log
    suite = test_bed.existing(instance.task, git, ["tests/test_calc.py"])
    tree = git.directory.parents[1] / "tree"
    write_files(tree, {"calc.py": "mine\n"})
    suite.within.prepare(tree)
    assert (tree / "calc.py").read_text() == "mine\n" and (tree / "calc.egg-info" / "PKG-INFO").exists()


@pytest.mark.skipif(not isolation(), reason="this user may not make namespaces")
def test_an_environment_is_read_only_to_what_runs_in_it(real, test_bed):
    git, instance = real
    within = test_bed.surroundings(instance.task, git)
    (folder,) = within.kept
    with Scratch(git, instance.task.base_commit) as scratch:
        command = ["python", "-c", f"open({str(folder / 'mine')!r}, 'w')"]
        found = run_tests(scratch, scratch.base, command, 30, within)
    assert found.exit_code == 1 and "Read-only file system" in found.log
    assert not (folder / "mine").exists()


def test_the_official_parser_reads_what_was_printed_and_heard(real, test_bed):
    git, instance = real
    certificate = certify(instance, git, test_bed=test_bed)
    assert certificate.certified and certificate.gold.applied and certificate.gold.reason == "all tests pass"
    assert certificate.empty.f2p == {"tests/test_calc.py::test_add": Status.FAILED}


def test_a_change_without_tests_near_it_is_not_a_fault(make_repository, test_bed):
    folder, base = make_repository({**CALC, "setup.cfg": "", "lonely/thing.py": "X = 1\n"})
    task = Instance.from_row(official_row(base)).task
    patch = (
        "diff --git a/lonely/thing.py b/lonely/thing.py\n--- a/lonely/thing.py\n+++ b/lonely/thing.py\n"
        "@@ -1 +1 @@\n-X = 1\n+X = 2\n"
    )
    with pytest.raises(NoTestsNear, match="no test file near the change"):
        run_existing_tests(task, opened(folder), patch, test_bed=test_bed)


def test_a_hostile_file_name_in_a_test_patch_is_one_argument(make_repository, test_bed, tmp_path):
    folder, base = make_repository({**CALC, "setup.cfg": ""})
    name = 'tests/test_$(touch "$HOME" owned)`touch owned`;touch owned.py'
    header = f"diff --git a/{name} b/{name}\nnew file mode 100644\n"
    patch = f"{header}--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+1\n"
    instance = Instance.from_row(official_row(base, test_patch=patch))
    suite = test_bed.suite(instance, opened(folder))
    assert suite.command[4:] == [name] and "touch" not in suite.command[2]
    verdict = grade(instance, opened(folder), FIX, test_bed=test_bed)
    assert not verdict.resolved and "owned" not in verdict.log.replace(name, "")


@pytest.mark.parametrize("column", ["version", "test_patch"])
def test_a_row_that_does_not_say_how_it_is_tested_is_refused_before_anything_runs(column, test_bed):
    row = official_row("a" * 40) | {column: ""}
    with pytest.raises(NotGradeable, match=column):
        ensure_gradeable(Instance.from_row(row))


@pytest.fixture
def official(cache_dir):
    found = Official(cache_dir)
    try:
        found.directives("psf/requests", "")
    except EnvironmentUnavailable as missing:
        pytest.skip(f"needs a package registry on first use: {missing}")
    return found


@pytest.mark.slow
def test_the_official_package_reads_logs_and_patches(official, make_repository):
    patch = "diff --git a/tests/queries/test_q.py b/tests/queries/test_q.py\n"
    assert official.directives("django/django", patch) == ["queries.test_q"]
    log = "test_a (m.C) ... ok\ntest_b (m.C) ... FAIL\n"
    found = {"test_a (m.C)": "PASSED", "test_b (m.C)": "FAILED"}
    assert official.statuses("django/django", [log, ""]) == [found, {}]


@pytest.mark.slow
def test_requirement_files_are_read_from_the_local_repository(official, make_repository):
    files = {"tests/requirements/py3.txt": "asgiref >= 3.2\n# no\n-r more.txt\n"}
    folder, base = make_repository(files | {"tests/requirements/more.txt": "pytz\n"})
    spec = official.spec("django/django", "3.1", base, opened(folder))
    assert spec.python == "3.6" and spec.requirements.split("\n") == ["pytz", "", "asgiref >= 3.2", ""]
    with pytest.raises(NotGradeable, match=r"no Python spec for version '0\.1'"):
        official.spec("django/django", "0.1", base, opened(folder))


@pytest.mark.slow
def test_an_environment_is_made_once_and_keeps_what_installing_wrote(make_repository, tmp_path):
    setup = "from setuptools import setup\nsetup(name='calc', version='1.0', py_modules=['calc'])\n"
    folder, base = make_repository({**CALC, "setup.py": setup, "setup.cfg": ""})
    try:
        found = environment(tmp_path, opened(folder), "acme/calc", "1.0", base, SPEC)
    except EnvironmentUnavailable as missing:
        pytest.skip(f"needs a package registry: {missing}")
    assert (found.folder / "products" / "calc.egg-info").is_dir() and found.left_out == ()
    assert not (found.folder / "source").exists() and (found.programs / "python").exists()
    marker = (found.folder / "complete.json").stat()
    assert environment(tmp_path, opened(folder), "acme/calc", "1.0", base, SPEC) == found
    assert (found.folder / "complete.json").stat().st_mtime_ns == marker.st_mtime_ns
    assert found.folder.name.startswith("acme__calc-1.0-")
