"""How a run looks while it goes on: a live table on a terminal, plain lines elsewhere. Both go to stderr, so
that stdout holds the result alone."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.cli.event_lines import SHOWN_FILES, line_of, steering_text, tests_lines
from orchestrator.cli.redrawn import Redrawn
from orchestrator.cli.terminal import visible
from orchestrator.events import (
    CandidateChecked,
    Decided,
    Event,
    NodeFinished,
    NodeStarted,
    Progressed,
    Resumed,
    Retrieved,
    TestsFound,
    Tokens,
)
from orchestrator.records import Hit

NODES = ("code_reading", "retrieve", "bug_analysis", "patch_writing", "validate")
QUIET_S = 30.0
"""After so long a log shows a step of what goes on, so that work and a standstill can be told apart."""


class View(ABC):
    """Renders events; a context manager, because a terminal must be left as it was found."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def show(self, event: Event) -> None:
        """Render one event."""

    def progress(self, label: str, done: int, total: int) -> None:
        """Render how far long work is."""
        self.show(Progressed(label=label, done=done, total=total))


class PlainView(View):
    """One line for each fact, for pipes and logs; of progress the ends, and now and then a step between."""

    def __init__(self) -> None:
        self._last, self._printed = "", time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_: object) -> None:
        return None

    def show(self, event: Event) -> None:
        """Print the event's line, if it has one; tokens have none."""
        now, line = time.monotonic(), line_of(event)
        between = isinstance(event, Progressed) and event.done not in (0, event.total)
        if between and now - self._printed < QUIET_S:
            return
        if line and line != self._last:
            self._last, self._printed = line, now
            for each in line.split("\n"):
                print(visible(each), file=sys.stderr, flush=True)


@dataclass
class _Row:
    """What the table shows of a node; `since` is when it began to run, on the performance counter."""

    state: Literal["waiting", "running", "done"] = "waiting"
    since: float = 0.0
    seconds: float | None = None
    tokens: int = 0
    note: str = ""


class RedrawnView(Redrawn, View):
    """A view that is redrawn as it changes; `_progress` is a line about long work that goes on."""

    def __init__(self, console: Console, refresh_per_second: int) -> None:
        self._progress = ""
        super().__init__(console, refresh_per_second)

    def __exit__(self, *exit_: object) -> None:
        self._progress = ""
        super().__exit__(*exit_)


class LiveView(RedrawnView):
    """A table of the nodes that is redrawn as they work."""

    def __init__(self, console: Console, nodes: Sequence[str]) -> None:
        self._rows = {node: _Row() for node in nodes}
        self._hits: list[Hit] = []
        self._tests: list[str] = []
        super().__init__(console, refresh_per_second=8)

    def show(self, event: Event) -> None:
        """Take one event into the table."""
        match event:
            case NodeStarted(node=node, attempt=attempt) if node in self._rows:
                note = f"attempt {attempt + 1}" if attempt else ""
                self._rows[node] = _Row("running", time.perf_counter(), note=note)
            case Decided(node=node, steering=steering) if node in self._rows:
                self._rows[node].note = steering_text(steering)
            case Tokens(node=node, count=count) if node in self._rows:
                self._rows[node].tokens = count
            case NodeFinished(node=node, seconds=seconds, new_tokens=new) if node in self._rows:
                row = self._rows[node]
                row.state, row.seconds, row.tokens = "done", seconds, new
            case Retrieved(hits=hits):
                self._hits = hits[:SHOWN_FILES]
                self._rows["retrieve"].note = f"{len(hits)} files"
            case CandidateChecked(number=number, verdict=verdict):
                self._rows["validate"].note = f"candidate {number}: {verdict}"
            case Progressed(label=label, done=done, total=total):
                self._progress = "" if done >= total else f"{label} {done}/{total}"
            case TestsFound():
                self._tests = tests_lines(event)
            case Resumed(nodes=nodes):
                for node in nodes:
                    self._rows[node] = _Row("done", note="finished before")

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("node", no_wrap=True)
        table.add_column("state", no_wrap=True)
        for name in ("tokens", "tokens/s", "s"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("steering, files, verdicts", overflow="fold")
        for node, row in self._rows.items():
            seconds = time.perf_counter() - row.since if row.state == "running" else row.seconds
            table.add_row(
                Text(node, style="bold"),
                Text(row.state, style={"running": "yellow", "done": "green"}.get(row.state, "dim")),
                str(row.tokens) if row.tokens else "",
                f"{row.tokens / seconds:.0f}" if row.tokens and seconds else "",
                f"{seconds:.1f}" if seconds is not None else "",
                Text(visible(row.note)),
            )
        files = Table(box=None, pad_edge=False, show_header=False)
        for hit in self._hits:
            files.add_row(f"{hit.score:.2f}", Text(visible(hit.path), style="cyan"))
        parts: list[RenderableType] = [Text(visible(line), style="dim") for line in self._tests]
        parts += [table] if self._rows else []
        if self._hits:
            parts += [Text("\nretrieved", style="dim"), files]
        if self._progress:
            parts.append(Text(f"\n{self._progress}", style="dim"))
        return Group(*parts)


def view_for(stream_is_terminal: bool, nodes: Sequence[str] = NODES) -> View:
    """The live table of these nodes on a terminal, plain lines elsewhere."""
    return LiveView(Console(stderr=True), nodes) if stream_is_terminal else PlainView()
