"""What shows that a fault is there, and whether a change takes it away: the issue's code, or tests."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, Protocol

from swebench.running.driving import Form

Outcome = Literal["unchanged", "broken", "changed", "expected"]


class Fault(Protocol):
    """Something that can be run and shows a fault at the base commit."""

    @property
    def named(self) -> str:
        """What is run, in words."""
        ...

    @property
    def usable(self) -> bool:
        """Whether it shows the fault without a patch."""
        ...

    @property
    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines of functions that run when it does; None if it cannot be told."""
        ...

    def outcome(self, patch: str) -> Outcome:
        """What a patch makes of it; raises PatchDoesNotApply, GitFailed, UnsafePath."""
        ...

    def outcomes(self, forms: Sequence[Form], budget_s: float) -> list[Outcome | None]:
        """The same for edited forms, None where the time was too short; raises GitFailed, UnsafePath."""
        ...


class FirstUsable:
    """The first of several that shows the fault; of none, the last."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults

    @cached_property
    def _chosen(self) -> Fault:
        return next((fault for fault in self._faults if fault.usable), self._faults[-1])

    @property
    def named(self) -> str:
        """What is run, in words."""
        return self._chosen.named

    @property
    def usable(self) -> bool:
        """Whether any shows the fault without a patch."""
        return self._chosen.usable

    @property
    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines of functions that run when it does; None if it cannot be told."""
        return self._chosen.executed

    def outcome(self, patch: str) -> Outcome:
        """What a patch makes of it; raises PatchDoesNotApply, GitFailed, UnsafePath."""
        return self._chosen.outcome(patch)

    def outcomes(self, forms: Sequence[Form], budget_s: float) -> list[Outcome | None]:
        """The same for edited forms, None where the time was too short; raises GitFailed, UnsafePath."""
        return self._chosen.outcomes(forms, budget_s)
