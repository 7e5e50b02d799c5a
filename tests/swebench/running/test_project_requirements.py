"""What an environment for a project's tests is made of, from its files alone."""

import pytest

from swebench.running.project_requirements import recipe


def made(files, program="pytest"):
    return recipe(files, files.get, program)


def test_a_project_brings_its_extras_and_groups_for_tests():
    text = (
        "[project]\nname = 'p'\n[project.optional-dependencies]\ndocs = ['sphinx']\ntest = ['pytest']\n"
        "[dependency-groups]\ntests = ['hypothesis']\nlint = ['ruff']\n"
    )
    found = made({"pyproject.toml": text})
    assert (found.project, found.extras, found.groups) == (True, ("test",), ("tests",))
    assert found.sources == ("pyproject.toml",)


def test_what_is_for_development_serves_where_nothing_is_for_tests():
    text = "[project]\nname = 'p'\n[project.optional-dependencies]\ndev = ['pytest']\ndocs = ['sphinx']\n"
    assert made({"pyproject.toml": text}).extras == ("dev",)


@pytest.mark.parametrize(
    "files",
    [
        {"setup.cfg": "[options.extras_require]\ntesting =\n    mock\ndocs =\n    sphinx\n"},
        {"setup.py": "setup(extras_require={'testing': ['mock'], 'docs': ['sphinx']})\n"},
    ],
)
def test_extras_of_older_projects_are_read_too(files):
    found = made(files)
    assert found.project and found.extras == ("testing",)


def test_requirements_files_are_those_of_the_project_and_its_tests():
    names = ["requirements.txt", "requirements-dev.txt", "test-requirements.txt", "requirements/tests.txt"]
    others = ["docs/requirements.txt", "requirements/docs.txt", "a/b/requirements.txt"]
    found = made(dict.fromkeys([*names, *others], "six\n"))
    assert set(found.files) == set(names)
    assert not found.project and found.requirements == ("pytest",)


def test_what_tox_installs_is_wanted_without_its_placeholders():
    wanted = ("pytest>=7", "mock  # for old ones", "-rci/needs.txt", "{env:MORE}", ".[x]")
    text = "[testenv]\ndeps =\n" + "".join(f"    {line}\n" for line in wanted)
    found = made({"tox.ini": text, "ci/needs.txt": ""})
    assert (found.requirements, found.files) == (("pytest>=7", "mock"), ("ci/needs.txt",))


def test_poetrys_groups_are_named_and_its_lock_has_the_versions():
    text = "[tool.poetry]\nname = 'p'\n[tool.poetry.group.test.dependencies]\npytest = '^8'\n"
    text += "[tool.poetry.dev-dependencies]\nmock = '*'\n[build-system]\nrequires = []\n"
    lock = "[[package]]\nname = 'pytest'\nversion = '8.1.0'\n[[package]]\nname = 'mock'\nversion = '5.0'\n"
    found = made({"pyproject.toml": text, "poetry.lock": lock})
    assert (found.requirements, found.pins) == (("mock", "pytest"), ("pytest==8.1.0", "mock==5.0"))


def test_a_lock_of_uv_pins_what_comes_from_an_index_in_one_version():
    lock = "".join(
        f"[[package]]\nname = '{name}'\nversion = '{version}'\nsource = {source}\n"
        for name, version, source in (
            ("p", "0.1", "{ editable = '.' }"),
            ("six", "1.16", "{ registry = 'x' }"),
            ("numpy", "1.26", "{ registry = 'x' }"),
            ("numpy", "2.0", "{ registry = 'x' }"),
        )
    )
    assert made({"pyproject.toml": "[project]\nname = 'p'\n", "uv.lock": lock}).pins == ("six==1.16",)


def test_tests_of_unittest_need_no_pytest():
    assert made({"requirements.txt": ""}, "unittest").requirements == ()


def test_what_compiled_modules_are_made_of_counts_for_the_environment():
    files = {"setup.py": "", "pkg/fast.pyx": "", "pkg/slow.py": "", "src/a.c": ""}
    assert made(files).sources == ("pkg/fast.pyx", "setup.py", "src/a.c")
