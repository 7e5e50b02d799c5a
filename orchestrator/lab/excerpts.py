"""A context of a feature as text."""

from orchestrator.policy.decisions import Record

_AROUND = 8
"""Tokens on either side of the most activating one."""


class Excerpt(Record):
    """A context as text: tokens as they are spelled, the activation at each, the place of the largest."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    strongest: int

    @property
    def line(self) -> str:
        """The tokens around the most activating one, which stands in « »."""
        at = self.strongest
        before = "".join(self.tokens[max(0, at - _AROUND) : at])
        after = "".join(self.tokens[at + 1 : at + 1 + _AROUND])
        text = f"{before}«{self.tokens[at]}»{after}"
        return repr(text)[1:-1]
