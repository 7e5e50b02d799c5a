"""How this room reports long work: it calls what the caller passed, and never prints."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (label, done, total)."""


def silent(label: str, done: int, total: int) -> None:
    """The Progress of a caller who does not want to know."""
