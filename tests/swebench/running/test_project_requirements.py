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


@pytest.mark.parametrize("name", ["dev", "develop", "development", "Dev"])
def test_what_is_for_development_serves_where_nothing_is_for_tests(name):
    text = f"[project]\nname = 'p'\n[project.optional-dependencies]\n{name} = ['pytest']\ndocs = ['sphinx']\n"
    assert made({"pyproject.toml": text}).extras == (name,)
    assert made({"setup.py": f"extras = {{'{name.lower()}': ['mock']}}"}).extras == (name.lower(),)
    assert made({"pyproject.toml": f"{text}Tests = ['mock']\n"}).extras == ("Tests",)


def test_an_extra_that_several_files_name_is_asked_for_once():
    text = "[project]\nname = 'p'\n[project.optional-dependencies]\ntest = ['pytest']\n"
    files = {"pyproject.toml": text, "setup.cfg": "[options.extras_require]\ntest =\n    mock\n"}
    assert made(files | {"setup.py": "{'test': 1}, {'test': 2}"}).extras == ("test",)


def test_a_build_system_alone_makes_a_project_and_settings_of_tools_do_not():
    assert made({"pyproject.toml": "[build-system]\nrequires = []\n"}).project
    assert not made({"pyproject.toml": "[tool.ruff]\n"}).project
    assert not made({"pyproject.toml": "not = [toml"}).project


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
    words = ("base", "common", "main", "prod", "ci", "all", "test", "tests", "testing", "dev", "develop")
    names = ["requirements.txt", "requirements-DEV.txt", "test-requirements.txt", "requirements/tests.txt"]
    names += [
        "tests/requirements.txt",
        "test-requirements/base.txt",
        *(f"requirements.{word}.txt" for word in words),
    ]
    others = ["docs/requirements.txt", "requirements/docs.txt", "a/b/requirements.txt"]
    others += ["requirements.rst", "tests/dev/requirements.txt", "dev/requirements/ci.txt"]
    found = made(dict.fromkeys([*names, *others], "six\n"))
    assert set(found.files) == set(names) and found.files == found.sources
    assert not found.project and found.requirements == ("pytest",)


def test_what_tox_installs_is_wanted_without_its_placeholders():
    wanted = ("pytest>=7", "mock  # for old ones", "-rci/needs.txt", "{env:MORE}", ".[x]")
    wanted += ("six>={env:SIX}", "py27: tox", "-c limits.txt")
    text = "[testenv]\ndeps =\n" + "".join(f"    {line}\n" for line in wanted)
    found = made({"tox.ini": text, "ci/needs.txt": ""})
    assert (found.requirements, found.files) == (("pytest>=7", "mock"), ("ci/needs.txt",))


def test_of_the_files_that_tox_names_those_there_are_are_taken_once():
    text = "[testenv]\ndeps =\n    -r requirements.txt\n    -r {toxinidir}/./needs.txt\n    -rgone.txt\n"
    assert made({"tox.ini": text, "needs.txt": "", "requirements.txt": ""}).files == (
        "requirements.txt",
        "needs.txt",
    )


@pytest.mark.parametrize("line", ["pytest", "pytest>=7", "pytest[extra] ; python_version > '3'"])
def test_pytest_is_added_where_only_its_plugins_are_wanted(line):
    tox = "[testenv]\ndeps =\n    pytest-cov\n    pytester\n    pytest-cov\n"
    assert made({"tox.ini": tox}).requirements == ("pytest-cov", "pytester", "pytest")
    assert made({"tox.ini": f"{tox}    {line}\n"}).requirements == ("pytest-cov", "pytester", line)


def test_settings_that_cannot_be_read_ask_for_nothing():
    assert made({"tox.ini": "deps = 1\n", "setup.cfg": "[testenv\n"}).requirements == ("pytest",)
    assert made({"tox.ini": "[testenv]\ndeps\n"}).requirements == ("pytest",)


def test_a_section_may_be_repeated_and_an_option_have_no_value():
    text = "[testenv]\ndeps =\n    mock\n[testenv]\nskip_install\n"
    assert made({"tox.ini": text}).requirements == ("mock", "pytest")


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


def test_of_several_lock_files_the_first_that_holds_versions_counts():
    def lock(word, version):
        return f"[[{word}]]\nname = 'six'\nversion = '{version}'\n[[{word}]]\nname = 'local'\n"

    files = {"uv.lock": "", "poetry.lock": lock("package", 2), "pdm.lock": lock("package", 3)}
    files["pylock.toml"] = lock("packages", 4)
    for version, name in enumerate(list(files)[1:], start=2):
        found = made(files)
        assert found.pins == (f"six=={version}",)
        assert set(found.sources) == set(files)
        del files[name]
    assert made(files).pins == ()


@pytest.mark.parametrize("source", ["editable", "virtual", "directory"])
def test_what_lies_in_the_project_itself_has_no_pin(source):
    text = f"[[package]]\nname = 'p'\nversion = '0.1'\nsource = {{ {source} = '.' }}\n"
    assert made({"uv.lock": text}).pins == ()


def test_groups_of_poetry_for_other_purposes_and_python_itself_are_left_out():
    groups = {"docs": "sphinx", "testing": "pytest", "dev": "mock", "development": "six"}
    text = "".join(f"[tool.poetry.group.{key}.dependencies]\n{name} = '*'\n" for key, name in groups.items())
    found = made({"pyproject.toml": f"{text}python = '^3.11'\n[tool.poetry.dev-dependencies]\ntox = '*'\n"})
    assert found.requirements == ("mock", "tox", "six", "pytest")


def test_what_is_to_be_installed_is_told_in_a_few_words():
    text = "[project]\nname = 'p'\n[project.optional-dependencies]\ntest = ['mock']\ntests = ['six']\n"
    found = made({"pyproject.toml": f"{text}[dependency-groups]\ntest = []\n", "requirements.txt": ""})
    assert found.text == "the project[test,tests], group test, requirements.txt, pytest"
    tox = "[testenv]\ndeps =\n" + "".join(f"    p{n}\n" for n in range(9))
    assert made({"tox.ini": tox}).text == "p0, p1, p2, p3"
    assert made({}, "unittest").text == "nothing but the test runner"


def test_tests_of_unittest_need_no_pytest():
    assert made({"requirements.txt": ""}, "unittest").requirements == ()


def test_what_compiled_modules_are_made_of_counts_for_the_environment():
    files = {"setup.py": "", "pkg/fast.pyx": "", "pkg/slow.py": "", "src/a.c": ""}
    assert made(files).sources == ("pkg/fast.pyx", "setup.py", "src/a.c")
