"""What the metadata says is true: imports are dependencies, the version is one, what is built is whole."""

import ast
import contextlib
import functools
import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
ROOMS = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

NEVER_IMPORTED = {
    "psycopg": "SQLAlchemy opens it where the store is a postgresql+psycopg:// address",
}
"""Declared on purpose though no file imports it."""

INSTALLED = importlib.metadata.packages_distributions()


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def modules_imported_by(path: Path) -> set[str]:
    """Absolute modules that a file imports when it runs, at its top or inside a function."""
    found, whole = set(), ast.parse(path.read_text())
    for_types = {
        id(inside)
        for node in ast.walk(whole)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inside in ast.walk(node)
    }
    for node in ast.walk(whole):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {each for each in inside if holders(each)} or {str(node.module)}
    return found


@functools.cache
def files(distribution: str) -> frozenset[str]:
    return frozenset(map(str, importlib.metadata.files(distribution) or []))


def holders(module: str) -> list[str]:
    """The installed distributions that hold a module itself, and not only a package above it."""
    place = module.replace(".", "/")
    candidates = INSTALLED.get(module.partition(".")[0], [])
    return [name for name in candidates if {f"{place}.py", f"{place}/__init__.py"} & files(name)]


def distribution_of(module: str) -> str:
    """The distribution that brings a module; of an extra that is not installed, by its name."""
    shared = INSTALLED.get(module.partition(".")[0], [])
    if holding := holders(module) or (shared if len(shared) == 1 else []):
        return canonicalize_name(holding[0])
    written = canonicalize_name(module)
    return next((name for name in DEPENDENCIES | EXTRAS if written.startswith(name)), written)


def imported() -> dict[str, set[str]]:
    """Distribution → the files of the five packages that import it."""
    found: dict[str, set[str]] = {}
    for path in sorted(each for room in ROOMS for each in (ROOT / room).rglob("*.py")):
        if "bundled" in path.parts:
            continue
        for module in modules_imported_by(path):
            if module.partition(".")[0] not in {*sys.stdlib_module_names, *ROOMS}:
                found.setdefault(distribution_of(module), set()).add(str(path.relative_to(ROOT)))
    return found


ALL_REQUIREMENTS = [*PROJECT["dependencies"], *itertools.chain(*PROJECT["optional-dependencies"].values())]
DEPENDENCIES = names(PROJECT["dependencies"])
EXTRAS = names(
    [each for name, extra in PROJECT["optional-dependencies"].items() if name != "dev" for each in extra]
)


def test_what_is_imported_is_declared():
    found = imported()
    assert not {name: sorted(found[name]) for name in found.keys() - DEPENDENCIES - EXTRAS}


def test_what_is_declared_is_imported_or_has_a_reason():
    unused = (DEPENDENCIES | EXTRAS) - imported().keys()
    assert unused == NEVER_IMPORTED.keys()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    matches = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.+]*)", line) for line in lines]
    assert all(matches), "constraints.txt holds exact versions, one a line, and nothing else"
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def test_every_declared_dependency_has_an_exact_version_that_it_allows():
    pinned = pins()
    for requirement in map(Requirement, ALL_REQUIREMENTS):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} does not allow {version}"


def test_what_the_dependencies_bring_along_has_an_exact_version_too():
    pinned, seen, waiting = pins(), set(), list(map(Requirement, ALL_REQUIREMENTS))
    while waiting:
        requirement = waiting.pop()
        extras = sorted(requirement.extras)
        name = canonicalize_name(requirement.name)
        if (name, *extras) in seen:
            continue
        seen.add((name, *extras))
        assert name in pinned, f"{name} has no version in constraints.txt"
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # an extra that is not installed
            for each in map(Requirement, importlib.metadata.requires(name) or []):
                wanted = each.marker is None or any(
                    each.marker.evaluate({"extra": extra}) for extra in ("", *extras)
                )
                waiting += [each] if wanted else []


def test_the_version_is_one_everywhere():
    assert importlib.metadata.version(PROJECT["name"]) == PROJECT["version"]
    newest = re.search(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == PROJECT["version"]
    said = subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli import main; main()", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert PROJECT["version"] in said.stdout.split()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            assert PROJECT["version"] not in re.findall(r'"(\d+\.\d+\.\d+)"', path.read_text()), path


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[list[str], dict[str, str]]:
    """The files of the source distribution, and those of the wheel built from it, with their texts."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)], cwd=ROOT, check=True
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        members = [name.partition("/")[2] for name in tar.getnames()]
        tar.extractall(folder, filter="data")
    source = folder / archive.name.removesuffix(".tar.gz")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=source, check=True
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        texts = {name: file.read(name).decode("utf-8", "replace") for name in file.namelist()}
    return members, texts


def test_the_source_distribution_holds_what_a_reader_and_a_tester_need(built):
    members, _ = built
    for name in (
        "LICENSE",
        "CHANGELOG.md",
        "README.md",
        "constraints.txt",
        "tests/conftest.py",
        "docs/README.md",
    ):
        assert name in members


def test_the_wheel_holds_the_packages_their_data_and_the_licence_and_nothing_else(built):
    _, texts = built
    dist_info = f"steered_orchestrator-{PROJECT['version']}.dist-info"
    assert {name.partition("/")[0] for name in texts} == {*ROOMS, dist_info}
    assert texts[f"{dist_info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_text()
    tracked = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page = "services/arena/web/"
    wanted = {name for name in tracked.stdout.split("\n") if name and not name.startswith(page)}
    assert wanted <= texts.keys()
    assert {name for name in texts if name.startswith(page)} == built_page()


def built_page() -> set[str]:
    """The files of the page, where it has been built."""
    dist = ROOT / "services" / "arena" / "web" / "dist"
    return {str(path.relative_to(ROOT)) for path in dist.rglob("*") if path.is_file()}


def test_a_wheel_that_has_to_hold_the_page_is_not_made_without_it(tmp_path):
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    asked = {**os.environ, "ORCHESTRATE_WITH_PAGE": "1"}
    done = subprocess.run(build, cwd=tmp_path, env=asked, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "make arena" in done.stderr


def test_the_metadata_says_what_it_is(built):
    _, texts = built
    metadata = texts[f"steered_orchestrator-{PROJECT['version']}.dist-info/METADATA"]
    assert "License-Expression: MIT" in metadata
    assert "Private :: Do Not Upload" not in metadata
    for minor in (11, 12, 13):
        assert f"Classifier: Programming Language :: Python :: 3.{minor}" in metadata


def test_what_the_dockerfile_copies_is_enough_to_build_the_wheel(tmp_path):
    copies = re.findall(r"^COPY (?!--)(.+) (/src/\S*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for sources, target in copies:
        for source in map(Path, sources.split()):
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules")
                shutil.copytree(ROOT / source, tmp_path / Path(target).relative_to("/src"), ignore=ignored)
            else:
                shutil.copy(ROOT / source, tmp_path)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        assert {name.partition("/")[0] for name in file.namelist()} >= set(ROOMS)
