"""How long work of this room tells its caller how far it is: the room itself never prints."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a label, how much is done, and the total."""


def silent(label: str, done: int, total: int) -> None:
    """Report nothing."""
