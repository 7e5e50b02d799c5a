"""What a local test bed asks of environments and of the official package, and the suites it makes of that."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from swebench.data.recipes import Recipe
from swebench.data.tasks import Instance
from swebench.errors import NoTestsNear, NotGradeable
from swebench.grading import suites
from swebench.grading.environments import Environment, spec_of
from swebench.grading.evidence import Readings
from swebench.grading.official.client import Spec
from swebench.grading.suites import LocalTestBed
from swebench.running.hearing import Status
from swebench.running.own import OwnEnvironment
from tests.swebench.conftest import HERE, HIDDEN_TESTS, calc_row
from tests.swebench.grading.hostile import new
from tests.swebench.grading.scripted import told_run

P, F = Status.PASSED, Status.FAILED
SPEC = Spec(
    python="3.9",
    packages="",
    requirements="",
    conda="",
    pip_packages=(),
    pre_install=("apt-get update", "sed -i s/a/b/ setup.cfg", "touch made"),
    install="python -m pip install -e .",
    eval_commands=(),
    test_cmd="./run --verbose",
)
RECIPE = Recipe(python="3.9", packages=("pytest",), install=("pip install -e .",))
GIT = object()
"""Is only handed on."""


class AskedOfficial:
    """Answers as the official package does, and keeps what it was asked."""

    def __init__(self, cache):
        self.cache, self.asked = cache, []

    def spec(self, *asked):
        self.asked.append(("spec", *asked))
        return SPEC

    def directives(self, repo, patch):
        self.asked.append(("directives", repo, patch))
        return ["first test", "$(second)"]

    def statuses(self, repo, logs):
        self.asked.append(("statuses", repo, list(logs)))
        return [dict(reversed(line.split()) for line in log.splitlines()) for log in logs]


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The environments that were asked for, which are not made."""
    asked = []

    def environment(*arguments, of_row=False):
        asked.append((*arguments, of_row))
        return Environment("digest", tmp_path / "made", ())

    def own(cache):
        asked.append(cache)
        return OwnEnvironment("own digest", HERE)

    monkeypatch.setattr(suites, "environment", environment)
    monkeypatch.setattr(suites, "own_environment", own)
    monkeypatch.setattr(suites, "Official", AskedOfficial)
    return asked


CACHE = Path("the cache")


@pytest.fixture
def bed(made):
    return LocalTestBed(CACHE)


def instance(recipe=None, **columns):
    found = Instance.from_row(calc_row("a" * 40, **columns))
    return replace(found, task=replace(found.task, recipe=recipe))


OFFICIAL = {"test_cmd": None, "log_parser": None, "version": "1.0", "environment_setup_commit": "b" * 40}


def test_a_row_s_own_command_runs_in_the_environment_that_has_pytest_alone(bed, made):
    row = instance(test_cmd="python -m pytest 'a b'")
    run = told_run({"a": P, "b": Status.SKIPPED}, said={"a": F})
    for suite in (bed.suite(row, GIT), bed.existing(row.task, GIT, ["near.py"])):
        assert suite.command == ["python", "-m", "pytest", "a b"] and suite.within is HERE
        assert suite.environment == "own:own digest"
        assert suite.read(run) == Readings({"a": F}, {"a": P, "b": Status.SKIPPED})
    assert bed.surroundings(row.task, GIT) is HERE
    assert made == [CACHE] * 3 and bed._official.asked == []


@pytest.mark.parametrize("version", ["", "2.1"])
def test_a_row_with_a_recipe_runs_in_an_environment_made_by_it(bed, made, tmp_path, version):
    row = instance(RECIPE, version=version, environment_setup_commit="b" * 40)
    given = row.task.test_cmd.split()
    for suite in (bed.suite(row, GIT), bed.existing(row.task, GIT, ["near.py"])):
        assert suite.command == given and suite.environment == "digest"
        assert suite.within.programs == (tmp_path / "made" / "venv" / "bin",)
        assert suite.within.kept == (tmp_path / "made",)
        assert suite.read(told_run({"a": P})) == Readings({"a": P}, {"a": P})
    assert bed.surroundings(row.task, GIT).kept == (tmp_path / "made",)
    spec = spec_of(RECIPE, row.task.test_cmd)
    assert made == [(CACHE, GIT, "acme/calc", version or "row", "b" * 40, spec, True)] * 3
    assert bed._official.asked == []
    without = replace(row.task, test_cmd=None)
    assert bed.environment(without, GIT)[0] == replace(spec, test_cmd="")


def test_a_command_that_wants_them_is_given_the_python_files_that_the_test_patch_leaves(bed):
    gone = "diff --git a/tests/old.py b/tests/old.py\ndeleted file mode 100644\n"
    gone += "--- a/tests/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
    patch = HIDDEN_TESTS + new("tests/data.json") + new("tests/test_new.py") + gone
    row = instance(replace(RECIPE, test_files=True), test_patch=patch, test_cmd="pytest -rA")
    assert bed.suite(row, GIT).command == ["pytest", "-rA", "tests/test_calc.py", "tests/test_new.py"]
    assert bed.existing(row.task, GIT, []).command == ["pytest", "-rA"]
    alone = instance(RECIPE, test_patch=patch, test_cmd="pytest -rA")
    assert bed.suite(alone, GIT).command == ["pytest", "-rA"]


def test_a_row_without_a_command_is_tested_as_the_official_package_says(bed, made, tmp_path):
    row = instance(**OFFICIAL)
    suite = bed.suite(row, GIT)
    assert bed._official.cache == CACHE
    assert bed._official.asked == [
        ("spec", "acme/calc", "1.0", "b" * 40, GIT),
        ("directives", "acme/calc", HIDDEN_TESTS),
    ]
    assert made == [(CACHE, GIT, "acme/calc", "1.0", "b" * 40, SPEC, False)]
    script = 'sed -i s/a/b/ setup.cfg\ntouch made\n./run --verbose "$@"'
    assert suite.command == ["bash", "-c", script, "bash", "first test", "$(second)"]
    assert suite.environment == "digest" and suite.within.kept == (tmp_path / "made",)
    assert bed.surroundings(row.task, GIT).kept == (tmp_path / "made",)


def test_what_was_heard_goes_through_the_official_parser_line_by_line(bed):
    suite = bed.suite(instance(**OFFICIAL), GIT)
    run = told_run({"a": P, "b": F, "c": P}, log="FAILED a\nPASSED c\n")
    assert suite.read(run) == Readings({"a": F, "c": P}, {"a": P, "b": F, "c": P})
    lines = ["PASSED a", "FAILED b", "PASSED c"]
    assert bed._official.asked[-1] == ("statuses", "acme/calc", ["FAILED a\nPASSED c\n", *lines])
    assert suite.read(told_run({}, log="")) == Readings({}, {})


def test_of_a_ranking_the_first_three_files_are_run(bed):
    task = instance(**OFFICIAL).task
    near = [f"tests/test_{name}.py" for name in "abcd"]
    suite = bed.existing(task, GIT, near)
    header = "".join(f"diff --git a/{name} b/{name}\n" for name in near[:3])
    assert bed._official.asked[-1] == ("directives", "acme/calc", header)
    assert suite.command[-2:] == ["first test", "$(second)"] and suite.environment == "digest"
    assert suite.read(told_run({"a": P}, log="PASSED a")) == Readings({"a": P}, {"a": P})


def test_a_change_without_tests_near_it_is_said_of_the_instance(bed):
    with pytest.raises(NoTestsNear) as raised:
        bed.existing(instance(**OFFICIAL).task, GIT, [])
    assert str(raised.value) == "acme__calc-1: the repository has no test file near the change"


def test_a_row_that_names_neither_a_command_nor_a_version_is_refused(bed, made):
    row = instance(**OFFICIAL | {"version": ""})
    for refused in (bed.suite, lambda row, git: bed.surroundings(row.task, git)):
        with pytest.raises(NotGradeable) as raised:
            refused(row, GIT)
        assert str(raised.value) == (
            "acme__calc-1 has neither a test command (test_cmd) nor a version, "
            "so nothing says how its tests are run"
        )
    assert made == []


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(("packages", text) for text in ("it's", "a\0b", "a\ud800")),
        *(("install", text) for text in ("pip install it's", "pip install a\0b", "pip install a\ud800")),
        *((column, text) for column in ("requirements", "version") for text in ("a\0b", "a\ud800")),
    ],
)
def test_what_no_program_can_be_given_is_refused_before_an_environment_is_made(tmp_path, column, text):
    values = {column: text if column in {"requirements", "version"} else (text,)}
    row = instance(RECIPE, **values) if column == "version" else instance(replace(RECIPE, **values))
    with pytest.raises(NotGradeable, match="its row") as raised:
        LocalTestBed(tmp_path).surroundings(row.task, GIT)
    assert "\n" not in str(raised.value) and not list(tmp_path.iterdir())


@pytest.fixture
def locales(monkeypatch, tmp_path):
    """Puts a program in the place of the one that lists locales, or takes it away."""

    def put(script):
        if script:
            (tmp_path / "locale").write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "locale").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        suites._locales.cache_clear()

    yield put
    suites._locales.cache_clear()


ALWAYS = {"TOX_OVERRIDE": "testenv.pass_env+=PYTHONPATH"}


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("export PYTHONIOENCODING=utf8", {"PYTHONIOENCODING": "utf8"}),
        ("export NAME='quoted'", {"NAME": "quoted"}),
        ("export NAME=", {"NAME": ""}),
        ("export LANG=de_DE.UTF-8", {"LANG": "de_DE.UTF-8"}),
        ("export LANG=de_DE", {"LANG": "C.UTF-8"}),
        ("export LC_ALL=xx_YY.UTF-8", {"LC_ALL": "C.UTF-8"}),
        ("export LANGUAGE=xx_YY:xx", {"LANGUAGE": "xx_YY:xx"}),
        ("true; export NAME=x", {}),
        ("export NAME=x; true", {}),
        ("locale-gen", {}),
    ],
)
def test_what_a_spec_exports_is_set_and_a_locale_that_is_not_here_is_not(bed, locales, line, variables):
    # That program says what it has and still ends with an error, as it does where a folder of its is missing.
    locales('test "$*" = -a && echo C.utf8 && echo de_DE.utf8; exit 1')
    bed._official.spec = lambda *_: replace(SPEC, eval_commands=("true", line))
    assert bed.surroundings(instance(**OFFICIAL).task, GIT).variables == ALWAYS | variables


def test_where_no_program_lists_the_locales_none_is_taken_for_installed(bed, locales):
    locales(None)
    bed._official.spec = lambda *_: replace(SPEC, eval_commands=("export LANG=de_DE.UTF-8",))
    assert bed.surroundings(instance(**OFFICIAL).task, GIT).variables == ALWAYS | {"LANG": "C.UTF-8"}


def test_a_program_that_lists_locales_without_end_is_not_waited_for(bed, locales, monkeypatch):
    def endless(*_, timeout, **__):
        assert timeout <= 60
        raise subprocess.TimeoutExpired("locale", timeout)

    locales(None)
    monkeypatch.setattr(suites.subprocess, "run", endless)
    bed._official.spec = lambda *_: replace(SPEC, eval_commands=("export LC_ALL=de_DE.UTF-8",))
    assert bed.surroundings(instance(**OFFICIAL).task, GIT).variables == ALWAYS | {"LC_ALL": "C.UTF-8"}
