"""Many requests at once: all are submitted before the first is waited for, so that the engine can batch."""

from collections import deque
from collections.abc import Iterable, Iterator

from vectors.engine.requests import Generation, Ticket
from vectors.progress import Progress


def collect(tickets: Iterable[Ticket], label: str, progress: Progress) -> Iterator[Generation]:
    """Yield the generations in the order of their tickets; each is let go of once it was taken.

    Raises what a request failed with.
    """
    waiting = deque(tickets)
    total = len(waiting)
    progress(label, 0, total)
    while waiting:
        yield waiting.popleft().result()
        progress(label, total - len(waiting), total)
