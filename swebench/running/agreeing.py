"""Code of an issue and failing tests that speak of the same fault: a right change satisfies both."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from swebench.running.driving import Form
from swebench.running.fault import Fault, Outcome

_DONE = ("expected", "changed")


class Agreeing:
    """Both, where functions run in both; else the code alone, since the tests fail for another reason."""

    def __init__(self, code: Fault, tests: Fault) -> None:
        self._code, self._tests = code, tests
        self._tests_tell = False

    @property
    def named(self) -> str:
        """What is run, in words."""
        if self._alone:
            return self._alone.named
        return f"{self._code.named} and {self._tests.named}"

    @property
    def usable(self) -> bool:
        """Whether either shows the fault without a patch."""
        return self._code.usable or self._tests.usable

    @cached_property
    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines of functions that run in both; None if it cannot be told."""
        return self._alone.executed if self._alone else self._common

    def outcome(self, patch: str) -> Outcome:
        """What a patch makes of both; raises PatchDoesNotApply, GitFailed, UnsafePath."""
        if self._alone:
            return self._alone.outcome(patch)
        by_code = self._code.outcome(patch)
        agreed = self._agreed(by_code, self._tests.outcome(patch)) if by_code in _DONE else by_code
        return agreed or by_code

    def outcomes(self, forms: Sequence[Form], budget_s: float) -> list[Outcome | None]:
        """The same for edited forms: the tests are run on those that change what the code shows.

        None where the time was too short. Raises GitFailed, UnsafePath.
        """
        if self._alone:
            return self._alone.outcomes(forms, budget_s)
        by_code = self._code.outcomes(forms, budget_s * 2 / 3)
        kept = [number for number, outcome in enumerate(by_code) if outcome in _DONE]
        by_tests = dict(
            zip(kept, self._tests.outcomes([forms[each] for each in kept], budget_s / 3), strict=True)
        )
        self._tests_tell = any(outcome in _DONE for outcome in by_tests.values())
        return [
            self._agreed(outcome, by_tests[number]) if outcome in _DONE else outcome
            for number, outcome in enumerate(by_code)
        ]

    def _agreed(self, by_code: Outcome | None, by_tests: Outcome | None) -> Outcome | None:
        """What the tests say, where any form lets one pass: a form that lets none only changes something."""
        if by_tests == "expected" or not self._tests_tell:
            return by_tests if by_tests == "expected" else by_code
        return "changed"

    @cached_property
    def _alone(self) -> Fault | None:
        if not self._code.usable:
            return self._tests
        return None if self._tests.usable and self._common else self._code

    @cached_property
    def _common(self) -> Mapping[str, frozenset[int]]:
        code, tests = self._code.executed or {}, self._tests.executed or {}
        shared = {path: lines & tests.get(path, frozenset()) for path, lines in code.items()}
        return {path: lines for path, lines in shared.items() if lines}
