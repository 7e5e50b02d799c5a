"""What an environment for a project's tests is made of, as the project's own files say.

Its dependencies come from pyproject.toml (extras and dependency groups for tests), setup.cfg or setup.py,
requirements files and tox.ini; their versions from a lock file (uv, poetry, pdm, pylock), if there is one.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from typing import Any

Read = Callable[[str], str | None]

_FOR_TESTS = ("test", "tests", "testing")
_FOR_WORK = ("dev", "develop", "development")
_FILE = re.compile(r"(?:^|/)(?:[\w-]*)requirements[\w.-]*\.txt$|requirements/[\w.-]+\.txt$")
_PLAIN = {"requirements", "txt", "base", "common", "main", "prod", "ci", "all", *_FOR_TESTS, *_FOR_WORK}
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_COMPILED = re.compile(
    r"\.(c|cc|cpp|cxx|h|hpp|pyx|pxd|rs|f|f90)$|(^|/)(CMakeLists\.txt|meson\.build|Cargo\.(toml|lock))$"
)
_SETTINGS = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", *_LOCKS)


@dataclass(frozen=True)
class Recipe:
    """What pip is to install: the project with extras, groups of pyproject.toml, requirements, their files.

    `pins` are the versions of a lock file, one `name==version` each; `sources` are the files that all of it
    was read from, and those that compiled modules are made of.
    """

    project: bool
    extras: tuple[str, ...]
    groups: tuple[str, ...]
    requirements: tuple[str, ...]
    files: tuple[str, ...]
    pins: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def text(self) -> str:
        """Its parts in words."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        parts = [f"the project{extras}"] if self.project else []
        parts += [f"group {name}" for name in self.groups]
        parts += [*self.files, *self.requirements[:4]]
        return ", ".join(parts) or "nothing but the test runner"


def recipe(paths: Collection[str], read: Read, program: str) -> Recipe:
    """What the project of these files needs for tests that `program` runs; `read` gives a file's text."""
    pyproject = _toml(read("pyproject.toml"))
    files = [path for path in sorted(paths) if _FILE.search(path) and path.count("/") < 2 and _is_plain(path)]
    wanted, more_files = _tox(read("tox.ini"))
    files += [path for path in more_files if path in paths and path not in files]
    requirements = [*_poetry(pyproject), *wanted]
    if program == "pytest" and not any(re.match(r"pytest\b(?!-)", each) for each in requirements):
        requirements.append("pytest")
    declared = pyproject.get("project", {}).get("optional-dependencies", {})
    return Recipe(
        "setup.py" in paths or "setup.cfg" in paths or bool({"project", "build-system"} & pyproject.keys()),
        _chosen([*declared, *_extras(read)]),
        _chosen(list(pyproject.get("dependency-groups", {}))),
        tuple(dict.fromkeys(requirements)),
        tuple(files),
        _pins(read),
        tuple(sorted({*files, *(path for path in paths if path in _SETTINGS or _COMPILED.search(path))})),
    )


def _is_plain(path: str) -> bool:
    """Whether a requirements file is the project's, or for its tests: no other purpose is in its name."""
    return set(re.split(r"[\W_]+", path.lower())) <= _PLAIN


def _chosen(names: Collection[str]) -> tuple[str, ...]:
    """The names that are for tests; where none is, those for development."""
    each = dict.fromkeys(names)
    return tuple(name for name in each if name.lower() in _FOR_TESTS) or tuple(
        name for name in each if name.lower() in _FOR_WORK
    )


def _extras(read: Read) -> list[str]:
    """The extras that setup.cfg and, as far as it can be read, setup.py name."""
    config = _ini(read("setup.cfg"))
    section = "options.extras_require"
    listed = config.options(section) if config.has_section(section) else []
    known = "|".join((*_FOR_TESTS, *_FOR_WORK))
    return [*listed, *re.findall(rf"""["']({known})["']\s*:""", read("setup.py") or "")]


def _poetry(pyproject: dict[str, Any]) -> list[str]:
    """The names in poetry's groups for tests or development; its lock file has the versions."""
    poetry = pyproject.get("tool", {}).get("poetry", {})
    groups = {name: group.get("dependencies", {}) for name, group in poetry.get("group", {}).items()}
    groups |= {"dev": {**groups.get("dev", {}), **poetry.get("dev-dependencies", {})}}
    wanted = {*_FOR_TESTS, *_FOR_WORK} & groups.keys()
    return [name for group in sorted(wanted) for name in groups[group] if name != "python"]


def _tox(text: str | None) -> tuple[list[str], list[str]]:
    """The requirements of tox's environment, and the requirements files that it names."""
    lines = _ini(text).get("testenv", "deps", fallback="") or ""
    wanted, files = [], []
    for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines.splitlines()):
        if named := re.match(r"-r\s*(?:\{toxinidir\}/)?([\w./-]+)$", line):
            files.append(named[1].removeprefix("./"))
        elif re.match(r"[A-Za-z0-9][\w.\[\],-]*\s*([<>=!~;].*)?$", line) and "{" not in line:
            wanted.append(line)
    return wanted, files


def _pins(read: Read) -> tuple[str, ...]:
    """The versions of the first lock file; a package that it has in several versions is left open."""
    for name in _LOCKS:
        document = _toml(read(name))
        packages = document.get("package") or document.get("packages") or ()
        found = [
            (str(each["name"]), str(each["version"]))
            for each in packages
            if "version" in each and not {"editable", "virtual", "directory"} & set(each.get("source") or ())
        ]
        times = Counter(package for package, _ in found)
        if found:
            return tuple(f"{package}=={version}" for package, version in found if times[package] == 1)
    return ()


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return {}


def _ini(text: str | None) -> RawConfigParser:
    found = RawConfigParser(strict=False, allow_no_value=True)
    try:
        found.read_string(text or "")
    except Error:
        return RawConfigParser()
    return found
