"""A repository of one's own, from what its files say of its tests to the patch that mends it."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.session import Session
from orchestrator.settings import Settings
from orchestrator.task.own_code import AS_FOUND, HowTested, project_tests
from orchestrator.task.reproduction import failing_tests_of
from retrieval.store import RepoStore
from swebench.errors import EnvironmentUnavailable
from swebench.running.runner import isolation
from tests.orchestrator.conftest import git

CART = '''"""A shopping cart."""


class Cart:
    """Prices of items."""

    def __init__(self):
        self.prices = []

    def add(self, price, amount=1):
        """Add so many items of a price."""
        self.prices.append(price + amount)

    def total(self):
        """The price of all items."""
        return sum(self.prices)
'''
RIGHT = CART.replace("price + amount", "price * amount")
TESTS = """from shop.cart import Cart


def test_total_of_two_apples():
    cart = Cart()
    cart.add(3, 2)
    assert cart.total() == 6


def test_an_empty_cart_costs_nothing():
    assert Cart().total() == 0
"""
ISSUE = (
    "The total of a cart is wrong\n\nTwo apples of 3 cost 5 in place of 6: test_total_of_two_apples fails.\n"
)


def commit(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder.parent, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    return folder


@pytest.fixture
def shop(tmp_path):
    """A project in a sub-folder of a repository, in a src layout, with one fault that a test notices."""
    files = {
        "parts/shop/src/shop/__init__.py": "",
        "parts/shop/src/shop/cart.py": CART,
        "parts/shop/tests/test_cart.py": TESTS,
        "parts/other/total.py": "def total(cart):\n    return sum(cart) + 1\n",
    }
    return commit(tmp_path / "shops", files)


@pytest.fixture
def session(tmp_path, with_environments):
    with_environments(tmp_path / "cache")
    with Session(Settings(cache=tmp_path / "cache"), progress=lambda *_: None) as session:
        yield session


@pytest.fixture
def nothing_active(monkeypatch, tmp_path):
    """A machine without any environment but this program's own."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.prefix, 'bin')}:/usr/bin:/bin")
    monkeypatch.setattr("swebench.running.interpreters.shutil.which", lambda *_, **__: None)


def found(session, folder, testing=AS_FOUND, subdir=""):
    repository = RepoStore.local(folder, subdir)
    return project_tests(session, repository, repository.resolve("HEAD"), testing)


def test_without_an_environment_the_tests_run_with_pytest_alone(session, shop, nothing_active):
    tests = found(session, shop, subdir="parts/shop")
    assert (tests.command.text, tests.place.split(" of ")[1]) == (
        "python -m pytest",
        "an environment with pytest alone",
    )
    assert tests.baseline.failing == ("tests/test_cart.py::test_total_of_two_apples",)


def test_a_projects_own_environment_is_found_and_neither_it_nor_the_checkout_can_be_written_to(
    session, shop, nothing_active
):
    if not isolation():
        pytest.skip("this system does not let users make namespaces")
    project = shop / "parts" / "shop"
    venv.create(project / ".venv", with_pip=False, symlinks=True)
    test = (
        "import unittest\nfrom pathlib import Path\n\n\nclass T(unittest.TestCase):\n    def test_it(self):\n"
    )
    for folder in (shop, project / ".venv"):
        test += "        with self.assertRaises(OSError):\n"
        test += f"            Path({str(folder)!r}, 'x').write_text('')\n"
    (project / "tests" / "test_cart.py").write_text(test)
    git(shop, "add", "-A", "--", "parts/shop/tests")
    git(shop, "commit", "-qm", "Test")
    tests = found(session, shop, subdir="parts/shop")
    assert str(project / ".venv") in tests.place
    assert len(tests.baseline.passing) == 1 and not tests.baseline.failing


def test_what_the_user_says_comes_first(session, shop, nothing_active):
    named = HowTested("python -m unittest discover -s tests", sys.executable)
    (shop / "parts" / "shop" / "tests" / "test_cart.py").write_text(
        "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        pass\n"
    )
    git(shop, "commit", "-qam", "Test")
    tests = found(session, shop, named, "parts/shop")
    assert tests.command.text == "python -m unittest discover -s tests"
    assert tests.baseline.passing == ("test_it (test_cart.T.test_it)",)


def test_an_environment_without_the_runner_is_refused(session, shop, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    with pytest.raises(EnvironmentUnavailable, match="has no pytest"):
        found(session, shop, HowTested(environment=str(tmp_path / "bare")), "parts/shop")


@pytest.mark.slow
def test_an_environment_is_made_of_the_projects_files_once(tmp_path):
    setup = (
        "from pathlib import Path\nfrom setuptools import setup\n"
        "Path('src/made/_version.py').write_text('version = \"7\"\\n')\n"
        "setup(name='made', version='7', package_dir={'': 'src'}, packages=['made'])\n"
    )
    test = (
        "from importlib.metadata import version\n\nimport iniconfig\nfrom made import answer\n"
        "from made._version import version as written\n\n\n"
        "def test_it():\n    assert version('made') == written == '7' and answer() == 42\n"
    )
    files = {"setup.py": setup, "requirements-test.txt": "iniconfig==2.3.1\n", "tests/test_it.py": test}
    files["src/made/__init__.py"] = "def answer():\n    return 42\n"
    project = commit(tmp_path / "made", files)
    told = []
    session = Session(Settings(cache=tmp_path / "new"), progress=lambda *step: told.append(step))
    tests = found(session, project, HowTested(environment="create"))
    assert tests.baseline.passing == ("tests/test_it.py::test_it",)
    assert any("making an environment" in label for label, *_ in told)
    told.clear()
    (project / "src" / "made" / "__init__.py").write_text("def answer():\n    return 42  # still\n")
    git(project, "commit", "-qam", "Another")
    found(session, project, HowTested(environment="create"))
    assert not any("making an environment" in label for label, *_ in told)


def test_the_failing_tests_that_an_issue_names_are_the_ones_that_count():
    failing = (
        "tests/test_a.py::test_one[x]",
        "tests/test_a.py::T::test_two",
        "test_three (m.T.test_three)\nDoc",
    )
    assert failing_tests_of("`test_two` fails, and test_three too", failing) == (True, list(failing[1:]))
    assert failing_tests_of("the sum of one is wrong", failing) == (False, list(failing))


def run(capfdbinary, *arguments):
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    out, err = capfdbinary.readouterr()
    return exit_.value.code or 0, out, err.decode()


@pytest.mark.slow
def test_a_fault_that_a_test_notices_is_mended_and_delivered(
    capfdbinary, shop, tiny_model, tmp_path, monkeypatch, with_environments, nothing_active
):
    with_environments(tmp_path / "cache")
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "issue.md").write_text(ISSUE)
    problem = ["--repo", shop, "--subdir", "parts/shop", "--problem", "issue.md", "--model", tiny_model]
    ways = ["--run-tests", "--format", "patch", "--branch", "fix", "--apply"]
    code, out, err = run(capfdbinary, "solve", *problem, *ways)
    path = "parts/shop/src/shop/cart.py"
    assert code == 0, err
    assert "1 of 2 fail" in err and "python -m pytest" in err
    assert (shop / path).read_text() == git(shop, "show", f"fix:{path}") + "\n" == RIGHT
    git(shop, "checkout", "-q", "--", ".")
    subprocess.run(["git", "-C", shop, "apply", "-"], input=out, check=True)
    assert (shop / path).read_text() == RIGHT
    assert git(shop, "log", "-1", "--format=%s", "fix") == "The total of a cart is wrong"
