"""How the tests of a repository of one's own are run: what its files and this machine say, or the user."""

import posixpath
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from orchestrator.session import Session
from retrieval.errors import FileMissing, NotText
from retrieval.store import Repository
from swebench.errors import EnvironmentUnavailable, NoTestCommand, NotGradeable
from swebench.grading.project_tests import ProjectTests
from swebench.running.building import build
from swebench.running.commands import TestCommand, read_command
from swebench.running.detection import find_command, resolved
from swebench.running.interpreters import (
    Interpreter,
    found_interpreters,
    named_python,
    of_folder,
    probed,
    programs,
)
from swebench.running.own import own_environment
from swebench.running.products import Products, checkout_products
from swebench.running.project_requirements import recipe
from swebench.running.runner import Surroundings
from swebench.running.venvs import find_python

CREATE = "create"
_Read = Callable[[str], str | None]


@dataclass(frozen=True)
class HowTested:
    """What the user says of the tests: the command, the Python (a version, path or name), and the folder of
    an environment, or CREATE for one made from the project's files."""

    command: str | None = None
    python: str | None = None
    environment: str | None = None
    anew: bool = False
    """Whether what the tests do without a patch is found out again, though it is known."""


AS_FOUND = HowTested()


def project_tests(session: Session, repository: Repository, commit: str, asked: HowTested) -> ProjectTests:
    """How the repository's tests are run, with what they do at the commit.

    Raises NoTestCommand, NotGradeable, EnvironmentUnavailable, GitFailed.
    """
    folder = repository.folder
    paths, read = _files(repository, commit)
    command = _command(asked.command, paths, read)
    checkout = repository.checkout
    cache = session.settings.cache.absolute()
    if asked.environment == CREATE:
        made_of = recipe(paths, read, command.program)
        python = named_python(asked.python or _wanted_version(read))
        built = build(cache, repository.git, commit, folder, python, made_of, session.progress)
        found, products = of_folder(built.folder, "an environment made for it"), built.products
    else:
        found = _interpreter(asked, command, folder, checkout, cache)
        products = checkout_products(repository.git, checkout) if checkout else Products(cache, ())
    start = posixpath.join(folder, command.folder)
    if command.folder and not any(path.startswith(f"{command.folder}/") for path in paths):
        raise NoTestCommand(f"{command.text} ({command.origin}): there is no folder {command.folder}")
    up = posixpath.relpath(".", command.folder or ".")
    kept = [found.prefix, checkout, repository.git.directory]
    within = Surroundings(
        (programs(found.python, cache), *((found.prefix / "bin",) if found.prefix else ())),
        variables={"PYTHONDONTWRITEBYTECODE": "1", **command.variables},
        prepare=products.add,
        kept=tuple(dict.fromkeys(path for path in kept if path and not _holds_temporary_files(path))),
        folder=start,
        sources=tuple(posixpath.join(up, source) for source in ("", "src", "lib")),
    )
    tests = ProjectTests(repository.git, commit, command, within, found.text, found.digest, cache)
    tests.measure(session.progress, fresh=asked.anew)
    return tests


def command_of(repository: Repository, commit: str) -> TestCommand:
    """How the repository's own files say that it is tested; raises NoTestCommand, GitFailed."""
    return find_command(*_files(repository, commit))


def _files(repository: Repository, commit: str) -> tuple[set[str], _Read]:
    """The paths in the folder that is looked at, and what reads one of them."""
    inside = f"{repository.folder}/" if repository.folder else ""

    def read(path: str) -> str | None:
        try:
            return repository.text(commit, inside + path)
        except (FileMissing, NotText):
            return None

    return {file.path.removeprefix(inside) for file in repository.files(commit)}, read


def _command(given: str | None, paths: set[str], read: _Read) -> TestCommand:
    if given is None:
        return find_command(paths, read)
    if command := read_command(given, "--test-command", trimmed=False):
        return resolved(command, paths, read)
    raise NotGradeable(f"--test-command {given[:200]!r} is no command: give one as you would type it")


def _interpreter(
    asked: HowTested, command: TestCommand, folder: str, checkout: Path | None, cache: Path
) -> Interpreter:
    """The first Python that has the runner which the command needs; raises EnvironmentUnavailable."""
    needed = "pytest" if command.program == "pytest" else ""
    if command.program == "script" and command.arguments[0].endswith("manage.py"):
        needed = "django"
    if asked.environment:
        given = of_folder(Path(asked.environment).expanduser(), asked.environment)
    elif asked.python:
        given = probed(named_python(asked.python), asked.python)
    else:
        places = [checkout / folder, checkout] if checkout else []
        for found in found_interpreters(places):
            if not needed or needed in found.runners:
                return found
        if needed == "django":
            raise EnvironmentUnavailable(
                "no environment with django was found, which the tests need: name one with "
                "--environment DIR, or have one made with --environment create"
            )
        programs_of = own_environment(cache).surroundings.programs[0]
        return of_folder(programs_of.parent, "an environment with pytest alone")
    if needed and needed not in given.runners:
        raise EnvironmentUnavailable(
            f"{given.text} has no {needed}, which the tests need: install it there, or --environment create"
        )
    return given


def _wanted_version(read: _Read) -> str:
    """The version in .python-version, else this program's own where the project takes it, else the newest."""
    named = re.match(r"\s*(\d+\.\d+)", read(".python-version") or "")
    if named:
        return named[1]
    own = ".".join(map(str, sys.version_info[:2]))
    try:
        wanted = tomllib.loads(read("pyproject.toml") or "").get("project", {}).get("requires-python", "")
        allowed = SpecifierSet(str(wanted))
    except (tomllib.TOMLDecodeError, InvalidSpecifier):
        return own
    versions = [own, *(f"3.{minor}" for minor in range(14, 5, -1))]
    return next((each for each in versions if f"{each}.99" in allowed and _is_here(each)), own)


def _is_here(version: str) -> bool:
    try:
        return bool(find_python(version))
    except EnvironmentUnavailable:
        return False


def _holds_temporary_files(folder: Path) -> bool:
    """What is read-only to the tests must not be where they write."""
    return Path(tempfile.gettempdir()).resolve().is_relative_to(folder.resolve())
