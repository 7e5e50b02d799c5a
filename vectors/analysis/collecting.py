"""Many requests at once: all are submitted before the first is waited for, so that the engine can batch."""

from collections import deque
from collections.abc import Iterable, Iterator

from vectors.progress import Progress
from vectors.requests import Generation, Ticket


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
