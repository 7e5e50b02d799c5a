"""Runs pieces of code on a tree and on edited forms of it: the other side of `reproduce`, which does it."""

import itertools
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from swebench.patches.plumbing import Git
from swebench.patches.trees import Scratch
from swebench.running import reproduce
from swebench.running.cells import Cell
from swebench.running.runner import Surroundings, run_tests

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_FORMS_BYTES = 90_000
"""Of one command's argument, which the system limits to 128 KiB."""


@dataclass(frozen=True)
class Form:
    """A file of the tree, in its encoding, in which characters start..end (exclusive) are replaced, for each
    change in turn."""

    path: str
    changes: tuple[tuple[int, int, str], ...]
    encoding: str = "utf-8"


Seen = tuple[tuple[str, str], ...]
"""For each cell what it printed, and the type of the error it raised, if any."""


@dataclass(frozen=True)
class Driver:
    """Cells on a repository at a commit.

    Args:
        packages: Names to import everything from first.
        names: A module (dotted) and one of its names, for each name that is still missing then.
        timeout_s: Of each run of all cells.
        within: Where the code runs; the first of its programs' folders has the interpreter.
        runner: The test runner that the cells use (`launch`), which is loaded before the tree's packages.
    """

    git: Git
    commit: str
    cells: Sequence[Cell]
    timeout_s: float
    within: Surroundings
    packages: Sequence[str] = ()
    names: Sequence[tuple[str, str]] = ()
    runner: str = ""

    def seen(self, patch: str = "") -> Seen | None:
        """What the cells show on a patch; None where they do not run to their end.

        Raises PatchDoesNotApply, GitFailed, UnsafePath.
        """
        log, _ = self._log(patch, [None], self.timeout_s + 5)
        return next((seen for _, seen, _ in self._answers(log)), None)

    def seen_in(self, forms: Sequence[Form], budget_s: float) -> list[Seen | None]:
        """What each form shows; None where it does not end, and nothing, (), where the time was too short.

        Much faster than a patch each, since the tree is written out once, and less strict: a form may leave
        files in it that the next one finds.

        Raises GitFailed, UnsafePath.
        """
        found: list[Seen | None] = []
        deadline = time.monotonic() + budget_s
        while len(found) < len(forms) and (left := deadline - time.monotonic()) > 0:
            batch = _fitting(forms[len(found) :])
            log, timed_out = self._log("", batch, left)
            seen = {number: shown for number, shown, _ in self._answers(log)}
            found += [seen.get(number, () if timed_out else None) for number in range(len(batch))]
        return found + [()] * (len(forms) - len(found))

    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines of functions that run when the cells do; None if it cannot be told."""
        log, _ = self._log("", [None], self.timeout_s + 5, trace=True)
        return next((lines for _, seen, lines in self._answers(log) if seen is not None), None)

    def _log(
        self, patch: str, forms: Sequence[Form | None], timeout_s: float, *, trace: bool = False
    ) -> tuple[str, bool]:
        """What the driver writes on a tree, and whether it was stopped."""
        given = {
            "cells": [[cell.kind, cell.source] for cell in self.cells],
            "packages": self.packages,
            "names": self.names,
            "forms": [form and [form.path, form.changes, form.encoding] for form in forms],
            "trace": trace,
            "timeout_s": self.timeout_s,
            "workers": os.cpu_count() or 1,
            "root": self.within.root,
            "runner": self.runner,
            "sources": [*self.within.sources, *map(str, self.within.packages)],
        }
        with Scratch(self.git, self.commit) as scratch:
            tree = scratch.apply(patch, scratch.base) if patch else scratch.base
            python = str(self.within.programs[0] / "python")
            command = [python, reproduce.__file__, json.dumps(given)]
            run = run_tests(scratch, tree, command, timeout_s, self.within.without_sources())
        return run.log, run.timed_out

    def _answers(self, log: str) -> Iterator[tuple[int, Seen | None, dict[str, frozenset[int]]]]:
        """The driver's lines; others are passed over, since the code that runs may write there too."""
        for answer in log.split(reproduce.MARK)[1::2]:
            try:
                number, shown, lines = json.loads(answer)
                seen = shown and tuple((steady(str(printed)), str(error)) for printed, error in shown)
                ran = {str(path): frozenset(map(int, numbers)) for path, numbers in lines.items()}
            except (ValueError, TypeError, AttributeError):
                continue
            if seen is None or len(seen) == len(self.cells):
                yield int(number), seen, ran


def steady(text: str) -> str:
    """A text without the addresses of objects, which are others in each run."""
    return _ADDRESS.sub(" at 0x…", text)


def _fitting(forms: Sequence[Form]) -> Sequence[Form]:
    """As many of the first forms as one command can be given; at least one."""
    given = (json.dumps([form.path, form.changes, form.encoding]) for form in forms)
    sizes = itertools.accumulate(len(text) + 2 for text in given)
    return forms[: max(sum(1 for size in sizes if size <= _MAX_FORMS_BYTES), 1)]
