"""How a batch looks while it goes on: a live table of its runs on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.batch.tally import Counts, Tally
from orchestrator.cli.terminal import visible
from orchestrator.cli.view import QUIET_S, PlainView, RedrawnView, View
from orchestrator.events import BatchStarted, Event, InUnit, Progressed, UnitFinished

_SHOWN_RUNNING = 12


class PlainBatchView(View):
    """One line for each instance that ends, and now and then where the batch stands."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._other = PlainView()
        self._printed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_: object) -> None:
        return None

    def show(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        self._tally.take(event)
        line = ""
        match event:
            case BatchStarted(runs=runs):
                line = "; ".join(
                    f"{name}: {each.total} instances, {each.done} done before" for name, each in runs.items()
                )
            case UnitFinished(run=run, result=result):
                counts = self._tally.runs[run]
                seconds = sum(result.stages.values())
                why = f": {result.reason}" if result.reason else f" in {seconds:.1f} s"
                ended = f"{counts.done + counts.failed}/{counts.total}"
                line = f"{run}: {ended} {result.instance_id} {result.status}{why}"
            case InUnit() if time.monotonic() - self._printed > QUIET_S:
                line = _standing(self._tally)
            case Progressed():
                self._other.show(event)
        if line:
            self._printed = time.monotonic()
            print(visible(line), file=sys.stderr, flush=True)


class LiveBatchView(RedrawnView):
    """A table of the runs and of what is being worked on, redrawn as it changes."""

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._failures: list[str] = []
        super().__init__(console, refresh_per_second=4)

    def show(self, event: Event) -> None:
        """Take one event into the table."""
        self._tally.take(event)
        match event:
            case Progressed(label=label, done=done, total=total):
                self._progress = "" if done >= total else f"{label} {done}/{total}"
            case UnitFinished(result=result) if not result.finished:
                self._failures.append(f"{result.instance_id}: {result.reason}")

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("run", overflow="fold")
        for name in ("done", "running", "failed", "valid so far"):
            table.add_column(name, justify="right", no_wrap=True)
        for name, counts in self._tally.runs.items():
            table.add_row(
                Text(visible(name), style="bold"),
                f"{counts.done}/{counts.total}",
                str(len(counts.running)),
                Text(str(counts.failed), style="red" if counts.failed else "dim"),
                _valid(counts),
            )
        parts: list[RenderableType] = [table, Text(_standing(self._tally), style="dim")] if table.rows else []
        at_work = [
            (name, node) for counts in self._tally.runs.values() for name, node in counts.running.items()
        ]
        if at_work:
            working = Table(box=None, pad_edge=False, show_header=False)
            for name, node in at_work[:_SHOWN_RUNNING]:
                working.add_row(Text(visible(name), style="cyan"), node)
            parts.append(working)
        parts += [Text(visible(failure), style="red") for failure in self._failures[-3:]]
        if self._progress:
            parts.append(Text(visible(self._progress), style="dim"))
        return Group(*parts)


def _valid(counts: Counts) -> str:
    """The share of finished instances with a valid patch, with n and the 95 % interval."""
    from vectors.statistics.estimates import rate

    if not counts.done:
        return ""
    share = rate(counts.valid, counts.done)
    return f"{share.value:.0%} ({share.low:.0%}–{share.high:.0%}, n {counts.done})"


def _standing(tally: Tally) -> str:
    counts = list(tally.runs.values())
    failed = sum(each.failed for each in counts)
    ended = failed + sum(each.done for each in counts)
    total = sum(each.total for each in counts)
    left = tally.seconds_left
    time_left = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
    running = sum(len(each.running) for each in counts)
    speed = f"{tally.tokens_per_s:.0f} tokens/s"
    return f"{ended}/{total} ended, {running} running, {failed} failed, {speed}{time_left}"


def batch_view_for(stream_is_terminal: bool) -> View:
    """The live table on a terminal, plain lines elsewhere."""
    return LiveBatchView(Console(stderr=True)) if stream_is_terminal else PlainBatchView()
