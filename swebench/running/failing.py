"""Tests of a project that fail at the base commit, before and after a change: a right one lets them pass."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from swebench.running.cells import Cell
from swebench.running.driving import Driver, Form, Seen
from swebench.running.fault import Outcome

_PASSING = {"PASSED", "XFAIL"}


class FailingTests:
    """Tests by their runner's own names for them.

    Args:
        driver: Where they run; its cells and runner are set here.
        program: pytest, unittest, or script.
        arguments: What the runner is given beside.
    """

    named = "the failing tests"

    def __init__(self, driver: Driver, program: str, arguments: Sequence[str], tests: Sequence[str]) -> None:
        self.tests = tuple(tests)
        self._most = len(self.tests)
        asked = f"{program!r}, {list(arguments)!r}, {list(self.tests)!r}"
        cell = Cell("exec", f"print(outcomes({asked}))\n")  # of `launch`
        self._driver = replace(driver, cells=[cell], runner=program)

    @cached_property
    def usable(self) -> bool:
        """Whether the tests run in the driver too, and fail there as they did before."""
        return bool(self.tests) and self._passing(self._driver.seen()) == set()

    @cached_property
    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines of functions that run when the tests do; None if it cannot be told."""
        return self._driver.executed()

    def outcome(self, patch: str) -> Outcome:
        """What a patch makes of them: "expected" where all pass, or as many as any form let pass.

        Raises PatchDoesNotApply, GitFailed, UnsafePath.
        """
        return self._outcome(self._passing(self._driver.seen(patch)))

    def outcomes(self, forms: Sequence[Form], budget_s: float) -> list[Outcome | None]:
        """What edited forms make of them, None where the time was too short; raises GitFailed, UnsafePath.

        Some tests may fail for reasons that no edit can mend, so the best forms are those that let most pass.
        """
        seen = self._driver.seen_in(forms, budget_s)
        passing = [None if each == () else self._passing(each) for each in seen]
        self._most = max((len(each) for each in passing if each), default=self._most)
        return [None if ran == () else self._outcome(each) for ran, each in zip(seen, passing, strict=True)]

    def _outcome(self, passing: set[str] | None) -> Outcome:
        if passing is None:
            return "broken"
        if not passing:
            return "unchanged"
        return "expected" if len(passing) >= self._most else "changed"

    def _passing(self, seen: Seen | None) -> set[str] | None:
        """Those that pass; None where they did not run to their end."""
        try:
            found = json.loads(seen[0][0]) if seen else None
        except ValueError:
            return None
        if not isinstance(found, dict):
            return None
        return {test for test in self.tests if found.get(test) in _PASSING}
