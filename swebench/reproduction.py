"""Code that a report shows, run before and after a patch: a right patch changes what it prints.

Only what is seen to reproduce the report counts: without the patch the code must print something that the
report quotes, or raise an error that it names. The hidden tests are not known here; what is expected is taken
from the report too.
"""

import doctest
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from swebench.runner import run_tests
from swebench.source import syntax_fault
from swebench.trees import Scratch

Outcome = Literal["unchanged", "broken", "changed", "expected"]

MAX_CELLS = 40
MAX_CODE = 50_000
"""Characters of a report that are read: the code travels as one argument of a command."""
_FENCED = re.compile(r"^```[ \t]*([^\n`]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LANGUAGES = {"", "python", "python3", "py", "pycon"}
_ENVIRONMENT = {"NameError", "ImportError", "ModuleNotFoundError", "FileNotFoundError", "SyntaxError"}
_MARK = "\x1e"
_DRIVER = r"""
import contextlib, io, json, sys
cells, packages, names, seen = *json.loads(sys.argv[1]), {"__name__": "__main__"}, []
for package in packages:
    with contextlib.suppress(BaseException):
        exec(f"from {package} import *", names)
for kind, source in cells:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(source, "<report>", kind), names)
        seen.append([out.getvalue(), ""])
    except BaseException as error:
        seen.append([out.getvalue(), type(error).__name__])
sys.stdout.write("\n\x1e" + json.dumps(seen) + "\x1e\n")
"""


@dataclass(frozen=True)
class Cell:
    """A piece of code: a statement of a session ("single") or a script ("exec")."""

    kind: Literal["single", "exec"]
    source: str


Seen = tuple[tuple[str, str], ...]
"""For each cell what it printed, and the type of the error it raised, if any."""


def cells_of(report: str) -> list[Cell]:
    """The sessions and scripts that a report shows, in its order."""
    report = report[:MAX_CODE]
    found: list[tuple[int, Cell]] = []
    for block in _FENCED.finditer(report):
        language, code = block[1].strip().lower(), block[2]
        if language in _LANGUAGES and ">>>" not in code and code.strip() and not syntax_fault(code):
            found.append((block.start(), Cell("exec", code)))
    text = re.sub(r"^```.*$", "", report, flags=re.MULTILINE)
    starts = [match.start() for match in re.finditer(r"^[ \t]*>>>", report, re.MULTILINE)]
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:  # a session that is not well formed
        examples = []
    for start, example in zip(starts, examples, strict=False):
        if not syntax_fault(example.source):
            found.append((start, Cell("single", example.source)))
    return [cell for _, cell in sorted(found, key=lambda pair: pair[0])][:MAX_CELLS]


class Reproduction:
    """The code of a report on a repository at a commit; `usable` says whether it shows the fault there.

    Args:
        packages: Names to import everything from first, since reports leave imports out.
        timeout_s: Of each run.
    """

    def __init__(
        self, report: str, git_dir: Path, base_commit: str, packages: Sequence[str], timeout_s: float
    ) -> None:
        self._packages = list(packages)
        self._report = report
        self._git_dir = git_dir
        self._commit = base_commit
        self._timeout_s = timeout_s
        self._cells = cells_of(report)

    @cached_property
    def before(self) -> Seen | None:
        """What is seen without a patch; None where the code does not run to its end."""
        return self._run("") if self._cells else None

    @cached_property
    def usable(self) -> bool:
        """Whether something that the report quotes or names is seen without a patch."""
        return any(
            self._quoted(printed) or (error and error not in _ENVIRONMENT and error in self._report)
            for printed, error in self.before or ()
        )

    def outcome(self, patch: str) -> Outcome:
        """What a patch changes; "expected" if all that is printed anew stands in the report.

        Raises PatchDoesNotApply, GitFailed, UnsafePath.
        """
        before, after = self.before or (), self._run(patch)
        if after is None or any(new[1] and not old[1] for old, new in zip(before, after, strict=True)):
            return "broken"
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        if not changed:
            return "unchanged"
        return "expected" if all(self._quoted(printed) for printed, _ in changed) else "changed"

    def _quoted(self, printed: str) -> bool:
        return bool(printed.strip()) and " ".join(printed.split()) in self._flat

    @cached_property
    def _flat(self) -> str:
        return " ".join(self._report.split())

    def _run(self, patch: str) -> Seen | None:
        cells = [[cell.kind, cell.source] for cell in self._cells]
        with Scratch(self._git_dir, self._commit) as scratch:
            tree = scratch.apply(patch, scratch.base) if patch else scratch.base
            given = json.dumps([cells, self._packages])
            run = run_tests(scratch, tree, [sys.executable, "-c", _DRIVER, given], self._timeout_s)
        parts = run.log.split(_MARK)
        return None if run.timed_out or len(parts) < 3 else _seen(parts[-2], len(self._cells))


def _seen(answer: str, n_cells: int) -> Seen | None:
    """What the driver wrote; None for anything else, since the code that runs may write there too."""
    try:
        seen = tuple((str(printed), str(error)) for printed, error in json.loads(answer))
    except (ValueError, TypeError):
        return None
    return seen if len(seen) == n_cells else None
