"""How projects say that they are tested, from their files alone."""

import pytest

from swebench.errors import NoTestCommand
from swebench.running.commands import read_command
from swebench.running.detection import find_command, resolved

PYTEST_TEST = "import pytest\n\n\ndef test_one():\n    pass\n"
UNITTEST_TEST = "import unittest\n\n\nclass One(unittest.TestCase):\n    def test_one(self): pass\n"
TOX = "[testenv]\ndeps = pytest\ncommands =\n    pip list\n    {}\n"
NOXFILE = (
    "import nox\n\n\n@nox.session\ndef tests(session):\n    session.install('pytest')\n    session.run({})\n"
)


def found(files):
    command = find_command(files, files.get)
    return command.program, command.arguments


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\n"),
        ("pytest.toml", "[pytest]\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['tests']\n"),
        ("pyproject.toml", "[tool.pytest]\nminversion = '9'\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -q\n"),
        ("tox.ini", "[pytest]\n"),
    ],
)
def test_settings_of_pytest_say_that_it_is_used_even_for_tests_of_unittest(name, text):
    files = {name: text, "tests/test_one.py": UNITTEST_TEST}
    assert found(files) == ("pytest", ())
    assert name in find_command(files, files.get).origin


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pytest {posargs:tests}", ("pytest", ("tests",))),
        (
            "coverage run -p -m pytest --cov=pkg -n auto -m 'not slow' {posargs}",
            ("pytest", ("-m", "not slow")),
        ),
        ("{envpython} -m unittest discover -s tests {posargs}", ("unittest", ("discover", "-s", "tests"))),
        ("python {toxinidir}/tests/runtests.py -v", ("script", ("tests/runtests.py", "-v"))),
        ("pytest {envsitepackagesdir}/pkg tests/missing", ("pytest", ())),
    ],
)
def test_what_tox_runs_is_read_from_its_settings(line, expected):
    files = {"tox.ini": TOX.format(line), "tests/test_one.py": PYTEST_TEST, "tests/runtests.py": ""}
    assert found(files) == expected


def test_tox_in_the_projects_own_toml_is_read_too():
    commands = '[["pytest", "tests", {replace = "posargs", default = ["-k", "fast"], extend = true}]]'
    text = f"[tool.tox]\nenv_list = ['3.12']\n[tool.tox.env_run_base]\ncommands = {commands}\n"
    assert found({"pyproject.toml": text, "tests/test_one.py": ""}) == ("pytest", ("tests", "-k", "fast"))
    legacy = "[tool.tox]\nlegacy_tox_ini = '''\n[testenv]\ncommands = python -m unittest\n'''\n"
    assert found({"pyproject.toml": legacy}) == ("unittest", ())


def test_what_nox_runs_is_read_from_its_file():
    words = "'coverage', 'run', '-m', 'pytest', 'tests', *session.posargs"
    files = {"noxfile.py": NOXFILE.format(words), "tests/test_one.py": PYTEST_TEST}
    assert found(files) == ("pytest", ("tests",))


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (
            "\t@echo testing\n\tcd . && $(PYTHON) -m unittest discover tests\n",
            ("unittest", ("discover", "tests")),
        ),
        ("\tuv run --group dev pytest -x tests\n", ("pytest", ("tests",))),
        ("\tpython manage.py test\n", ("script", ("manage.py", "test"))),
    ],
)
def test_what_a_makefiles_target_runs_is_read_from_its_recipe(recipe, expected):
    files = {"Makefile": f"all: test\n\ntest: build\n{recipe}\nclean:\n\trm -r x\n", "tests/test_one.py": ""}
    assert found(files) == expected


def test_a_makefile_alone_is_called_as_it_is():
    assert found({"Makefile": "test:\n\t./check.sh\n"}) == ("command", ("make", "test"))


def test_settings_of_pytest_take_the_arguments_that_tox_gives_it():
    files = {"pytest.ini": "[pytest]\n", "tox.ini": TOX.format("pytest checks"), "checks/test_one.py": ""}
    assert found(files) == ("pytest", ("checks",))


def test_a_django_project_is_tested_by_its_manage_py():
    files = {"manage.py": "from django.core.management import x\n", "app/tests.py": UNITTEST_TEST}
    assert found(files) == ("script", ("manage.py", "test"))


def test_without_settings_the_test_files_tell():
    assert found({"pkg/tests/test_one.py": PYTEST_TEST}) == ("pytest", ())
    assert found({"pkg/tests.py": PYTEST_TEST}) == ("pytest", ("pkg/tests.py",))
    assert found({"checks/test_one.py": UNITTEST_TEST})[1] == ("discover", "-s", "checks", "-t", "checks")


def test_tests_that_are_made_as_unittest_has_it_are_run_by_it():
    made = "def load_tests(loader, tests, pattern):\n    return tests\n"
    files = {"tests/test_one.py": PYTEST_TEST, "tests/test_two.py": made}
    assert found(files)[0] == "unittest"


def test_the_tests_of_a_package_are_discovered_from_where_it_is_imported():
    files = {
        "src/pkg/__init__.py": "",
        "src/pkg/tests/__init__.py": "",
        "src/pkg/tests/test_one.py": UNITTEST_TEST,
    }
    assert found(files) == ("unittest", ("discover", "-s", "src/pkg", "-t", "src"))


def test_the_test_suite_functions_of_older_runners_are_no_tests_of_pytest():
    text = UNITTEST_TEST + "\n\ndef test_suite():\n    return None\n"
    assert found({"checks/test_one.py": text})[0] == "unittest"


def test_tests_inside_a_namespace_package_are_discovered_from_where_that_is_imported():
    inner = {"datetime/__init__.py": "", "datetime/tests/__init__.py": ""}
    inner["datetime/tests/test_one.py"] = UNITTEST_TEST
    in_src = {f"src/space/{path}": text for path, text in inner.items()}
    assert found(in_src) == ("unittest", ("discover", "-s", "src/space/datetime", "-t", "src"))
    flat = {f"space/{path}": text for path, text in inner.items()}
    assert found(flat) == ("unittest", ("discover", "-s", "space/datetime", "-t", "."))


MAKEFILE = (
    "test:\n\tcd checks && python all.py\n\n.PHONY: one\none: build\n\tcd checks && python test.py -- -slow\n"
)
TOX_IN = "[testenv]\nchangedir = {toxinidir}/checks\ncommands = pytest %s\n"


@pytest.mark.parametrize(
    ("files", "folder", "expected"),
    [
        ({"Makefile": MAKEFILE.replace("all", "test_all")}, "checks", ("script", ("test_all.py",))),
        (
            {"Makefile": MAKEFILE, "tox.ini": TOX.format("make one")},
            "checks",
            ("script", ("test.py", "--", "-slow")),
        ),
        ({"tox.ini": TOX_IN % "test_one.py"}, "checks", ("pytest", ("test_one.py",))),
        ({"tox.ini": TOX_IN.replace("checks", "../other") % ""}, "", ("pytest", ())),
    ],
)
def test_a_command_starts_in_the_folder_that_it_is_started_in(files, folder, expected):
    files = {**files, "checks/test_one.py": PYTEST_TEST}
    assert found(files) == expected
    command = find_command(files, files.get)
    assert command.folder == folder
    assert command.text.startswith("cd checks && python") == bool(folder)


def test_several_folders_of_tests_are_discovered_one_after_another():
    files = {"a/test_one.py": UNITTEST_TEST, "b/two_test.py": UNITTEST_TEST}
    expected = "discover -s a -t a -p *test*.py -- discover -s b -t b -p *test*.py"
    assert found(files) == ("unittest", tuple(expected.split()))


@pytest.mark.parametrize("files", [{}, {"pkg/mod.py": "", "README.md": ""}])
def test_a_project_without_tests_says_what_was_looked_for(files):
    with pytest.raises(NoTestCommand, match="--test-command"):
        find_command(files, files.get)


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "tox.ini", "noxfile.py", "Makefile"])
def test_a_file_that_cannot_be_read_as_what_it_is_says_nothing(name):
    files = {name: "[[[ ( = \x00\n", "tests/test_one.py": PYTEST_TEST}
    assert found(files) == ("pytest", ())


def test_a_command_that_starts_tox_nox_or_make_is_what_these_would_run():
    files = {"tox.ini": TOX.format("pytest tests"), "tests/test_one.py": PYTEST_TEST}
    command = resolved(read_command("tox -e py312", "--test-command"), files, files.get)
    assert (command.program, command.arguments) == ("pytest", ("tests",))
    other = read_command("make check", "--test-command")
    assert resolved(other, files, files.get) is other


@pytest.mark.parametrize(
    ("line", "program", "arguments", "variables"),
    [
        ("DJANGO_SETTINGS_MODULE=a.b pytest -x", "pytest", ("-x",), {"DJANGO_SETTINGS_MODULE": "a.b"}),
        ("python3.12 -W error -m pytest tests", "pytest", ("tests",), {}),
        ("poetry run python -m unittest", "unittest", (), {}),
        ("./manage.py test app", "script", ("manage.py", "test", "app"), {}),
        ("bash run.sh 'a b'", "command", ("bash", "run.sh", "a b"), {}),
    ],
)
def test_a_command_line_of_the_users_is_taken_as_it_is(line, program, arguments, variables):
    command = read_command(line, "--test-command", trimmed=False)
    assert (command.program, command.arguments, command.variables) == (program, arguments, variables)


@pytest.mark.parametrize("line", ["", "  ", "pytest 'unbalanced", "A=1"])
def test_a_line_without_a_command_is_none(line):
    assert read_command(line, "") is None
