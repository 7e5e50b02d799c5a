"""What a reporter heard of a run's tests: the evidence that a tree cannot print.

The reporter (`reporter.py`) is loaded from outside of the tree by every Python process of a run and writes to
a file that only the first of their test runners can open. Its lines begin with a key that nothing else is
told.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_REPORTER = Path(__file__).with_name("reporter.py")


class Status(StrEnum):
    """The outcome of a test, from the worst to the best; MISSING is a test of which nothing is said."""

    MISSING = "MISSING"
    ERROR = "ERROR"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    XPASS = "XPASS"
    XFAIL = "XFAIL"
    PASSED = "PASSED"

    @property
    def passes(self) -> bool:
        """Whether the harness counts the test as passed; an expected failure is one that holds."""
        return self in {Status.PASSED, Status.XFAIL}

    @property
    def fails(self) -> bool:
        """Whether the test makes its runner end with an error."""
        return self in {Status.FAILED, Status.ERROR}


RANK = {status: rank for rank, status in enumerate(Status)}


@dataclass(frozen=True)
class Heard:
    """What the reporter heard.

    `runner` is pytest, unittest or sympy, empty where none was started; `tests` has the worst status of each
    test by its runner's own name for it: pytest's node id, unittest's description (whose second line is the
    documentation's first), the name of sympy's function. `fault` says why it is no evidence.
    """

    runner: str = ""
    tests: Mapping[str, Status] = field(default_factory=dict)
    fault: str = "no test runner was heard: pytest, unittest (and django's) and sympy's are known"

    def lines(self) -> list[str]:
        """One line for each test in its runner's own words, which a parser of its logs reads."""
        words = {"unittest": _UNITTEST, "sympy": _SYMPY}.get(self.runner)
        return [
            f"{name} {words[status]}" if words else f"{status} {name}"
            for name, status in self.tests.items()
            if not words or status in words
        ]


_UNITTEST = {
    Status.PASSED: "... ok",
    Status.FAILED: "... FAIL",
    Status.ERROR: "... ERROR",
    Status.SKIPPED: "... skipped ''",
    Status.XFAIL: "... expected failure",
    Status.XPASS: "... unexpected success",
}
_SYMPY = {Status.PASSED: "ok", Status.FAILED: "F", Status.ERROR: "E"}


class Hearing:
    """The reporter of one run: `folder` goes first on its path, `read` says what was heard afterwards."""

    def __init__(self, folder: Path, report: Path) -> None:
        self.folder = folder
        self._key = f"{secrets.token_hex(16)} "
        self._file = report.open("w+b")
        self._file.write(self._key.encode())
        self._file.flush()
        folder.mkdir()
        text = f"{_REPORTER.read_text('utf-8')}\n\nlisten({str(report)!r})\n"
        (folder / "sitecustomize.py").write_text(text, "utf-8")

    def read(self) -> Heard:
        """What was heard; what does not bear the key makes all of it worthless."""
        self._file.seek(0)
        content = self._file.read().decode("utf-8", "replace")
        if content == self._key:
            return Heard()
        # Of a run that was killed, or whose disk is full, the last line may be a part of one.
        lines = content.split("\n")
        cut = lines.pop()
        try:
            said = [json.loads(line.removeprefix(self._key)) for line in lines if line.startswith(self._key)]
        except ValueError:
            said = []
        if len(said) < len(lines):
            return Heard(fault="something else than the reporter wrote to its report")
        return _heard(said, whole=not cut)

    def close(self) -> None:
        """Let go of the report."""
        self._file.close()


@contextmanager
def hearing(folder: Path, report: Path) -> Iterator[Hearing]:
    """A reporter in a new `folder` whose report is a new file."""
    found = Hearing(folder, report)
    try:
        yield found
    finally:
        found.close()


def _heard(said: list[list[object]], *, whole: bool) -> Heard:
    runner = str(said[0][1]) if said else ""
    tests: dict[str, Status] = {}
    overruled: list[str] = []
    for kind, *more in said:
        if kind == "overruled":
            overruled.append(str(more[0]))
        elif kind == "test":
            name, status = str(more[0]), Status(str(more[1]))
            tests[name] = min(tests.get(name, status), status, key=RANK.__getitem__)
    fault = ""
    if overruled:
        fault = f"a hook of the tree let a test pass that raised an error: {overruled[0][:200]}"
    elif not whole or said[-1:] != [["end"]]:
        fault = "the process that ran the tests ended before its reporter could"
    elif not tests:
        fault = "the test runner ran no test"
    return Heard(runner, tests, fault)
