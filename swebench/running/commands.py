"""Test commands: what a project's own files say of how it is tested, as something that can be run here.

A command line is read as the runner that it starts, so that single tests can be run, and told of one by one:
wrappers (coverage, uv run, poetry run) fall away. One that starts something else stays as it is.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Program = Literal["pytest", "unittest", "script", "command"]

_PYTHON = re.compile(r"(?:.*/)?(?:python|pypy)[\d.]*")
_SETTING = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_RUN = {"uv", "poetry", "pdm", "hatch", "pipenv", "rye", "pixi"}
_FREELY = {"time", "env", "exec", "xvfb-run", "command"}
_RUN_TAKES = {"--with", "--extra", "--group", "--python", "-p", "--env", "-e", "--package", "--only-group"}
_COVERAGE_TAKES = {"--source", "--rcfile", "--omit", "--include", "--context", "--concurrency"}
_IN_THE_WAY = re.compile(
    r"--(no-)?cov\b|--cov-|--junit|--html|--durations|--numprocesses|--dist\b|--color|--maxfail|--reruns"
    r"|--benchmark|--tb\b|--verbose|--quiet|--exitfirst|--pdb|--report-log|--self-contained|-[vqsx]+$|-r[a-zA-Z]+$"
)
"""Options of pytest about how it reports: plug-ins that they need may not be there."""
_PLACEHOLDER = re.compile(r"\{posargs:?([^{}]*)\}|\{\[?[^{}]*\}|\$\{?\w+\}?|\$\([^()]*\)")


@dataclass(frozen=True)
class TestCommand:
    """How a project is tested; `origin` says where that was found.

    The arguments are the runner's, of a script its path and arguments, of any other command all of it.
    It starts in the sub-folder `folder` of the project.
    """

    program: Program
    arguments: tuple[str, ...]
    origin: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    @property
    def text(self) -> str:
        """As one would type it."""
        before = {"pytest": "python -m pytest", "unittest": "python -m unittest", "script": "python"}
        start = f"cd {shlex.quote(self.folder)} &&" if self.folder else ""
        words = [start, before.get(self.program, ""), shlex.join(self.arguments)]
        return " ".join(word for word in words if word)


def read_command(line: str, origin: str, *, trimmed: bool = True) -> TestCommand | None:
    """What a command line runs; None for one that cannot be split or is empty.

    Where `trimmed`, options that only say how pytest reports are left out.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    variables: dict[str, str] = {}
    while words:
        if setting := _SETTING.fullmatch(words[0]):
            variables[setting[1]] = setting[2]
            words = words[1:]
        elif words[0] in _FREELY:
            words = words[1:]
        elif words[0] in _RUN and words[1:2] == ["run"]:
            words = _without_options(words[2:], _RUN_TAKES)
        elif words[0] == "coverage" and words[1:2] == ["run"]:
            words = ["python", *_without_options(words[2:], _COVERAGE_TAKES, keep=("-m",))]
        else:
            break
    if not words:
        return None
    program, arguments = _program(words)
    if program == "pytest" and trimmed:
        arguments = list(_without_reporting(arguments))
    return TestCommand(program, tuple(arguments), origin, variables)


def filled(line: str) -> str:
    """A line of tox.ini or a Makefile without its placeholders; those with a default get that."""
    line = re.sub(r"\{env_?python\}", "python", line.replace("{toxinidir}/", ""))
    return _PLACEHOLDER.sub(lambda match: match[1] or "", line)


def _program(words: Sequence[str]) -> tuple[Program, list[str]]:
    first, *rest = words
    if re.fullmatch(r"(?:.*/)?(?:py\.test|pytest)(-3)?", first):
        return "pytest", rest
    if first.endswith(".py"):
        return "script", [first.removeprefix("./"), *rest]
    if _PYTHON.fullmatch(first):
        rest = _without_options(rest, takes={"-W", "-X"}, keep=("-m", "-c"))
        module = rest[1] if rest[:1] == ["-m"] and len(rest) > 1 else ""
        if module in {"pytest", "unittest"}:
            return ("pytest" if module == "pytest" else "unittest"), rest[2:]
        if module in {"tox", "nox"}:
            return "command", rest[1:]
        if rest and rest[0].endswith(".py"):
            return "script", rest
    return "command", list(words)


def _without_options(words: Sequence[str], takes: Collection[str], keep: Collection[str] = ()) -> list[str]:
    """The options of a wrapper are gone, up to its program, and what those in `takes` take."""
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in keep:
        rest = rest[2:] if rest[0] in takes else rest[1:]
    return rest


def _without_reporting(arguments: Sequence[str]) -> Iterator[str]:
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in {"-n", "--numprocesses", "--maxfail", "--cov-report", "--cov-config", "--durations"}:
            skip = True
        elif not _IN_THE_WAY.match(word) and not re.fullmatch(r"-n\d+|-nauto", word):
            yield word
