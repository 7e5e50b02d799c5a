"""The units of an analysis that are asked of an engine: many requests at once, which meet in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest
from vectors.measuring.journal import Journal
from vectors.progress import Progress

ROWS = 32
"""Answers of a unit: as many as an engine makes at once."""


@dataclass(frozen=True)
class Answer:
    """What a model wrote; `ended` says that it came to its own end."""

    text: str = ""
    token_ids: tuple[int, ...] = ()
    ended: bool = True


def asked(engine: Engine, requests: Sequence[GenerationRequest]) -> list[Generation]:
    """What becomes of the requests of one unit; raises what one of them failed with."""
    engine.forget()
    tickets = engine.submit_all(requests)
    return [ticket.result() for ticket in tickets]


def units_of(requests: int) -> int:
    """In how many units so many requests are answered."""
    return -(-requests // ROWS)


def answers(
    engine: Engine,
    requests: Sequence[GenerationRequest | None],
    label: str,
    journal: Journal,
    progress: Progress,
) -> list[Answer]:
    """The answers to requests, ROWS of them a unit; to none an empty one."""

    def written(first: int) -> list[tuple[str, tuple[int, ...], bool]]:
        part = requests[first : first + ROWS]
        made = iter(asked(engine, [request for request in part if request]))
        found = [next(made) if request else None for request in part]
        return [(a.text, a.token_ids, a.finish_reason == "stop") if a else ("", (), True) for a in found]

    makes = [partial(written, first) for first in range(0, len(requests), ROWS)]
    units = journal.each(label, makes, progress)
    return [Answer(text, tuple(ids), ended) for unit in units for text, ids, ended in unit]
