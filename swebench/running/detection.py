"""Finds how a project is tested, from its files at a commit: settings first, then how its tests are written.

A project that has settings of pytest is tested with pytest, with the arguments that tox, nox or a Makefile
give it. Without them, what these say is taken; then `manage.py test`; then what the test files use.
"""

import ast
import configparser
import posixpath
import re
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from swebench.errors import NoTestCommand
from swebench.running.commands import TestCommand, filled, read_command

Read = Callable[[str], str | None]

_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_tests?|tests?)\.py$")
_PYTEST_STYLE = re.compile(
    r"^def test_(?!suite\(\))|^class Test\w*(\(\))?:|^\s*(import|from) pytest\b", re.MULTILINE
)
_MOST_READ = 60
_TAKES_VALUE = {
    "-m",
    "-k",
    "-p",
    "-W",
    "-o",
    "-c",
    "--ds",
    "--rootdir",
    "--import-mode",
    "--ignore",
    "--deselect",
}
_TARGETS = ("test", "tests", "check", "unittest", "unittests", "pytest")


def find_command(paths: Collection[str], read: Read) -> TestCommand:
    """How the project of these files is tested; `read` gives a file's text, or None.

    Raises NoTestCommand.
    """
    every = [_fitting(found, paths) for reader in (_tox, _nox, _make) for found in reader(read)]
    said = next((found for found in every if found.program != "command"), None)
    if origin := _pytest_settings(read):
        if said and said.program == "pytest":
            return replace(said, origin=f"{origin}, {said.origin}")
        return TestCommand("pytest", (), origin)
    if said:
        return said
    if "manage.py" in paths and "django" in (read("manage.py") or ""):
        return TestCommand("script", ("manage.py", "test"), "manage.py")
    return _by_files(paths, read)


def _by_files(paths: Collection[str], read: Read) -> TestCommand:
    files = sorted(path for path in paths if _TEST_FILE.search(path))
    origin = f"{files[0]} and others like it" if len(files) > 1 else "".join(files)
    texts = [read(path) or "" for path in files[:_MOST_READ]]
    # What unittest's own protocol makes pytest does not see; `test_suite` is what older runners call.
    made = any(re.search(r"^def load_tests\(", text, re.MULTILINE) for text in texts)
    if not made and any(map(_PYTEST_STYLE.search, texts)):
        collected = any(re.search(r"(^|/)(test_[^/]*|[^/]*_test)\.py$", path) for path in files)
        return TestCommand("pytest", () if collected else tuple(files), origin)
    if files:
        return TestCommand("unittest", tuple(_discovery(files, paths)), origin)
    if target := re.search(r"^(tests?|check)\s*:(?!=)", read("Makefile") or "", re.MULTILINE):
        return TestCommand("command", ("make", target[1]), "Makefile")
    raise NoTestCommand(
        "no tests were found: looked for settings of pytest, tox and nox, a Makefile's target test, "
        "manage.py and test files; name the command with --test-command"
    )


def resolved(command: TestCommand, paths: Collection[str], read: Read) -> TestCommand:
    """What tox, nox or make would run, where a command starts these and their files say it."""
    starts = command.arguments[0] if command.program == "command" and command.arguments else ""
    readers = {"tox": _tox, "nox": _nox, "make": _make}
    if starts not in readers:
        return command
    said = next((found for found in readers[starts](read) if found.program != "command"), None)
    return replace(_fitting(said, paths), origin=f"{command.origin}, {said.origin}") if said else command


def _fitting(command: TestCommand, paths: Collection[str]) -> TestCommand:
    """A command of pytest without the files and folders that are not there: a placeholder stood for them."""
    if command.program != "pytest" or "--pyargs" in command.arguments:
        return command
    inside = f"{command.folder}/" if command.folder else ""
    paths = {path.removeprefix(inside) for path in paths if path.startswith(inside)}
    folders = {path[:end] for path in paths for end in range(len(path)) if path[end] == "/"}
    kept: list[str] = []
    for number, word in enumerate(command.arguments):
        is_value = number > 0 and command.arguments[number - 1] in _TAKES_VALUE
        if word.startswith("-") and word.endswith("="):
            continue  # its value was a placeholder
        if is_value or word.startswith("-") or word.split("::")[0].rstrip("/") in {*paths, *folders, "."}:
            kept.append(word)
    return replace(command, arguments=tuple(kept))


def _pytest_settings(read: Read) -> str:
    for name in ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"):
        if read(name) is not None:
            return name
    tool = _toml(read, "pyproject.toml").get("tool")
    if isinstance(tool, dict) and "pytest" in tool:
        return "pyproject.toml [tool.pytest]"
    for name, section in (("setup.cfg", "tool:pytest"), ("tox.ini", "pytest")):
        if _ini(read(name)).has_section(section):
            return f"{name} [{section}]"
    return ""


def _tox(read: Read) -> Iterator[TestCommand]:
    native = _toml(read, "tox.toml")
    tool = _toml(read, "pyproject.toml").get("tool")
    in_project = tool.get("tox", {}) if isinstance(tool, dict) else {}
    legacy = in_project.get("legacy_tox_ini", "") if isinstance(in_project, dict) else ""
    for origin, text in (("tox.ini", read("tox.ini")), ("pyproject.toml [tool.tox]", legacy)):
        found = _ini(text)
        for section in found.sections():
            if section == "testenv" or re.match(r"testenv:(py|test)", section):
                lines = found.get(section, "commands", fallback="").replace("\\\n", " ")
                start = found.get(section, "changedir", fallback="") or ""
                start = found.get(section, "change_dir", fallback=start) or ""
                named = f"{origin} [{section}]"
                for line in map(filled, lines.splitlines()):
                    made = re.fullmatch(r"\s*make\s+([\w-]+)\s*", line)
                    commands = _make(read, (made[1],)) if made else _recognized([line], named)
                    yield from _started_in(filled(start), commands)
    for origin, settings in (("tox.toml", native), ("pyproject.toml [tool.tox]", in_project)):
        run = settings.get("env_run_base", {}) if isinstance(settings, dict) else {}
        for command in run.get("commands", ()) if isinstance(run, dict) else ():
            words = [word for part in command for word in _toml_words(part)]
            yield from _recognized([" ".join(f"'{word}'" for word in words)], origin)


def _toml_words(part: object) -> Iterable[str]:
    """A word of tox's own TOML, or the default of what stands for the user's arguments."""
    if isinstance(part, dict):
        return [word for word in part.get("default", ()) if isinstance(word, str)]
    return [filled(part)] if isinstance(part, str) else []


def _nox(read: Read) -> Iterator[TestCommand]:
    try:
        tree = ast.parse(read("noxfile.py") or "")
    except (SyntaxError, ValueError):
        return
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run":
            words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            yield from _recognized([" ".join(f"'{word}'" for word in words)], "noxfile.py")


def _make(read: Read, targets: Sequence[str] = _TARGETS) -> Iterator[TestCommand]:
    text = (read("Makefile") or read("makefile") or "").replace("\\\n", " ")
    for target in targets:
        rule = re.search(rf"^{target}\s*:(?!=)[^\n]*\n((?:\t[^\n]*\n?|\s*\n)+)", text, re.MULTILINE)
        for line in rule[1].splitlines() if rule else ():
            steps = re.split(r"&&|;", line.strip().lstrip("@-+"))
            named = [re.sub(r"\$[({](?:PYTHON|PY)[)}]", "python", step) for step in steps]
            named = [re.sub(r"\$[({](?:PYTEST)[)}]", "pytest", step) for step in named]
            start = ""
            for step in map(filled, named):
                if moved := re.fullmatch(r"\s*cd\s+(\S+)\s*", step):
                    start = posixpath.join(start, moved[1])
                else:
                    yield from _started_in(start, _recognized([step], f"Makefile, {target}"))


def _started_in(folder: str, commands: Iterable[TestCommand]) -> Iterator[TestCommand]:
    """Commands that start in a folder of the project; where that is none, as they are."""
    folder = posixpath.normpath(folder.strip() or ".")
    inside = folder != "." and not folder.startswith(("/", ".."))
    for command in commands:
        yield replace(command, folder=folder) if inside else command


def _recognized(lines: Iterable[str], origin: str) -> Iterator[TestCommand]:
    """The lines that run tests; scripts only where their names say so."""
    for line in lines:
        found = read_command(line.strip().lstrip("-!@ "), origin)
        if found and found.program == "script" and not re.search("test|check", " ".join(found.arguments[:2])):
            continue
        if found:
            yield found


def _discovery(files: Collection[str], paths: Collection[str]) -> Iterator[str]:
    """Arguments of unittest's discovery: a start for each folder of tests, `--` between several.

    A folder that is a package is imported from where its outermost package lies: of one in a src layout, from
    src, since folders between are namespace packages, and of one named like a module of Python's own, from
    further up.
    """
    starts: dict[tuple[str, str], None] = {}
    for path in files:
        start = top = posixpath.dirname(path)
        while top and posixpath.join(top, "__init__.py") in paths:
            start, top = top, posixpath.dirname(top)
        if start != top and top.startswith("src/"):
            top = "src"
        elif start != top and top and posixpath.basename(start) in sys.stdlib_module_names:
            top = posixpath.dirname(top)
        starts[start, top] = None
    pattern = (
        [] if all(posixpath.basename(path).startswith("test") for path in files) else ["-p", "*test*.py"]
    )
    for number, (start, top) in enumerate(starts):
        yield from ("--",) if number else ()
        yield from ("discover", "-s", start or ".", "-t", top or ".", *pattern)


def _toml(read: Read, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(read(name) or "")
    except tomllib.TOMLDecodeError:
        return {}


def _ini(text: str | None) -> configparser.RawConfigParser:
    found = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        found.read_string(text or "")
    except configparser.Error:
        return configparser.RawConfigParser()
    return found
