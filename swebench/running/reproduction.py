"""Code that an issue shows, run before and after a patch: a right patch changes what it prints.

Only what is seen to reproduce the issue counts: without the patch the code must print something that the
issue quotes, or raise an error that it names. The hidden tests are not known here; what is expected is taken
from the issue too.
"""

import ast
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from swebench.patches.plumbing import Git
from swebench.patches.source import parse
from swebench.patches.trees import Scratch
from swebench.running import reproduce
from swebench.running.cells import cells_of
from swebench.running.runner import Surroundings, run_tests

Outcome = Literal["unchanged", "broken", "changed", "expected"]

_ENVIRONMENT = {"NameError", "ImportError", "ModuleNotFoundError", "FileNotFoundError", "SyntaxError"}
_TELLING = 4
"""Characters of a result that does not stand in an issue by chance; a shorter one must be announced."""
_EXPECTING = r"(?:[Ee]xpect|[Ss]hould|[Cc]orrect|[Ii]nstead|[Rr]ather|[Ww]ant)\w*"
_PROMPT = re.compile(r"^\s*(?:>>>|\.\.\.) ?")
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


class Reproduction:
    """The code of an issue on a repository at a commit; `usable` says whether it shows the fault there.

    Args:
        packages: Names to import everything from first, since issues leave imports out.
        defined: Looks up the module (dotted) that defines a name, or None; for names that are still missing.
        timeout_s: Of each run.
        within: Where the code runs; the first of its programs' folders has the interpreter.
    """

    def __init__(
        self,
        issue: str,
        git: Git,
        base_commit: str,
        packages: Sequence[str],
        timeout_s: float,
        defined: Callable[[str], str | None],
        within: Surroundings,
    ) -> None:
        self._within = within
        self._packages = list(packages)
        self._defined = defined
        self._issue = issue
        self._git = git
        self._commit = base_commit
        self._timeout_s = timeout_s
        self._cells = cells_of(issue)

    @cached_property
    def before(self) -> Seen | None:
        """What is seen without a patch; None where the code does not run to its end."""
        return self._run("", [None], self._timeout_s)[0] if self._cells else None

    @cached_property
    def usable(self) -> bool:
        """Whether something that the issue quotes or names is seen without a patch."""
        return any(
            self._quoted(printed) or (error and error not in _ENVIRONMENT and error in self._issue)
            for printed, error in self.before or ()
        )

    @cached_property
    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines that run when the code does, what runs on import left out; None if it cannot be
        told.
        """
        log, _ = self._driven("", [None], self._timeout_s + 5, trace=True)
        return next((lines for _, seen, lines in _answers(log, len(self._cells)) if seen is not None), None)

    def outcome(self, patch: str) -> Outcome:
        """What a patch changes; "expected" if all that is printed anew stands in the issue.

        Raises PatchDoesNotApply, GitFailed, UnsafePath.
        """
        return self._outcome(self._run(patch, [None], self._timeout_s)[0])

    def outcomes(self, forms: Sequence[Form], budget_s: float) -> list[Outcome | None]:
        """What each edited form changes; None for those that the time was too short for.

        Much faster than `outcome`, since the tree is written out once, and less strict: a form may leave
        files in it that the next one finds.

        Raises GitFailed, UnsafePath.
        """
        found: list[Outcome | None] = []
        deadline = time.monotonic() + budget_s
        while len(found) < len(forms):
            left = deadline - time.monotonic()
            batch = _fitting(forms[len(found) :])
            if left <= 0:
                return found + [None] * (len(forms) - len(found))
            seen = self._run("", batch, left)
            found += [None if each == () else self._outcome(each) for each in seen]
        return found

    def _outcome(self, after: Seen | None) -> Outcome:
        before = self.before or ()
        if after is None or any(new[1] and not old[1] for old, new in zip(before, after, strict=True)):
            return "broken"
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        if not changed:
            return "unchanged"
        return "expected" if all(self._is_expected(*new) for new in changed) else "changed"

    def _is_expected(self, printed: str, error: str) -> bool:
        if not printed:
            return bool(error) and error in self._issue
        if len("".join(printed.split())) >= _TELLING:
            return self._quoted(printed)
        words = re.escape(" ".join(printed.split()))
        return bool(re.search(rf"{_EXPECTING}(?:\W+\w+){{0,8}}?\W+{words}(?!\w)", self._prose))

    def _quoted(self, printed: str) -> bool:
        words = " ".join(printed.split())
        return bool(words) and bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", self._prose))

    @cached_property
    def _prose(self) -> str:
        """The issue without the code itself, in which a short result would be found by chance."""
        own = {line.strip() for cell in self._cells for line in cell.source.splitlines()}
        lines = (_PROMPT.sub("", line).strip() for line in self._issue.splitlines())
        text = " ".join(line for line in lines if line not in own)
        for cell in self._cells:
            text = text.replace(f"`{cell.source.strip()}`", " ")
        return " ".join(text.split())

    @cached_property
    def _names(self) -> list[tuple[str, str]]:
        """Where the names that the code uses may come from, for those that it does not import."""
        used = dict.fromkeys(
            node.id
            for cell in self._cells
            for node in ast.walk(parse(cell.source))
            if isinstance(node, ast.Name)
        )
        return [(module, name) for name in used if (module := self._defined(name))]

    def _run(self, patch: str, forms: Sequence[Form | None], budget_s: float) -> list[Seen | None]:
        """What each form shows; None where it does not end, and nothing, (), where the time was too short."""
        one = len(forms) == 1
        log, timed_out = self._driven(patch, forms, self._timeout_s + 5 if one else budget_s)
        seen = {number: shown for number, shown, _ in _answers(log, len(self._cells))}
        missing: Seen | None = () if timed_out and not one else None
        return [seen.get(number, missing) for number in range(len(forms))]

    def _driven(
        self, patch: str, forms: Sequence[Form | None], timeout_s: float, *, trace: bool = False
    ) -> tuple[str, bool]:
        """What the driver writes on a tree, and whether it was stopped."""
        given = {
            "cells": [[cell.kind, cell.source] for cell in self._cells],
            "packages": self._packages,
            "names": self._names,
            "forms": [form and [form.path, form.changes, form.encoding] for form in forms],
            "trace": trace,
            "timeout_s": self._timeout_s,
            "workers": os.cpu_count() or 1,
        }
        with Scratch(self._git, self._commit) as scratch:
            tree = scratch.apply(patch, scratch.base) if patch else scratch.base
            python = str(self._within.programs[0] / "python")
            command = [python, reproduce.__file__, json.dumps(given)]
            run = run_tests(scratch, tree, command, timeout_s, self._within)
        return run.log, run.timed_out


def _fitting(forms: Sequence[Form]) -> Sequence[Form]:
    """As many of the first forms as one command can be given; at least one."""
    given = (json.dumps([form.path, form.changes, form.encoding]) for form in forms)
    sizes = itertools.accumulate(len(text) + 2 for text in given)
    return forms[: max(sum(1 for size in sizes if size <= _MAX_FORMS_BYTES), 1)]


def _answers(log: str, n_cells: int) -> Iterator[tuple[int, Seen | None, dict[str, frozenset[int]]]]:
    """The driver's lines; others are passed over, since the code that runs may write there too."""
    for answer in log.split(reproduce.MARK)[1::2]:
        try:
            number, shown, lines = json.loads(answer)
            seen = None if shown is None else tuple((str(printed), str(error)) for printed, error in shown)
            ran = {str(path): frozenset(map(int, numbers)) for path, numbers in lines.items()}
        except (ValueError, TypeError, AttributeError):
            continue
        if seen is None or len(seen) == n_cells:
            yield int(number), seen, ran
