"""Where a batch stands, counted from its events: what the views of it show."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.events import (
    BatchStarted,
    Event,
    InUnit,
    NodeFinished,
    NodeStarted,
    TaskEvent,
    UnitFinished,
    UnitStarted,
)


@dataclass
class Counts:
    """One run's instances; `done` includes those that were finished before this call."""

    total: int = 0
    done: int = 0
    valid: int = 0
    failed: int = 0
    running: dict[str, str] = field(default_factory=dict)
    """Instance → the node that it is in."""


class Tally:
    """Takes events and answers with counts, tokens per second and the time left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.runs: dict[str, Counts] = {}
        self._clock = clock
        self._started = clock()
        self._ended = 0
        self._tokens = 0

    def take(self, event: Event) -> None:
        """Count one event; those of no batch change nothing."""
        match event:
            case BatchStarted(runs=runs):
                self.runs = {name: Counts(each.total, each.done, each.valid) for name, each in runs.items()}
                self._started = self._clock()
            case UnitStarted(run=run, instance_id=name):
                self.runs[run].running[name] = ""
            case InUnit(run=run, instance_id=name, event=inner):
                self._take_inner(self.runs[run], name, inner)
            case UnitFinished(run=run, result=result):
                counts = self.runs[run]
                counts.running.pop(result.instance_id, None)
                self._ended += 1
                if result.finished:
                    counts.done += 1
                    counts.valid += result.status == "patched"
                else:
                    counts.failed += 1

    def _take_inner(self, counts: Counts, name: str, event: TaskEvent) -> None:
        match event:
            case NodeStarted(node=node):
                counts.running[name] = node
            case NodeFinished(prompt_tokens=prompt, new_tokens=new):
                self._tokens += prompt + new

    @property
    def tokens_per_s(self) -> float:
        """Tokens read and written by the nodes that have finished, per second since the start."""
        return self._tokens / max(self._clock() - self._started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before the first instance ended."""
        if not self._ended:
            return None
        left = sum(counts.total - counts.done - counts.failed for counts in self.runs.values())
        return left * (self._clock() - self._started) / self._ended
