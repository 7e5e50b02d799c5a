"""What a person sees of a batch: the same facts on a terminal and in a pipe."""

import io

from rich.console import Console

from orchestrator.batch.tally import Tally
from orchestrator.cli.batch_view import LiveBatchView, PlainBatchView
from orchestrator.events import (
    BatchStarted,
    InUnit,
    NodeFinished,
    NodeStarted,
    Standing,
    UnitFinished,
    UnitStarted,
)
from orchestrator.records import Result


def result(name, status, reason=""):
    return Result(instance_id=name, status=status, reason=reason, stages={"retrieve": 1.5}, artifacts=name)


BATCH = [
    BatchStarted(runs={"adaptive-rag": Standing(total=5, done=1, valid=1)}),
    *(UnitStarted(run="adaptive-rag", instance_id=name) for name in "abc"),
    InUnit(
        run="adaptive-rag",
        instance_id="a",
        event=NodeFinished(node="code_reading", seconds=2.0, new_tokens=40, prompt_tokens=960),
    ),
    InUnit(run="adaptive-rag", instance_id="c", event=NodeStarted(node="bug_analysis")),
    UnitFinished(run="adaptive-rag", result=result("a", "no_patch")),
    UnitFinished(run="adaptive-rag", result=result("b", "failed", "no \x1b[31mcommit")),
]


def test_a_tally_counts_what_is_done_and_says_what_is_left():
    now = [100.0]
    tally = Tally(clock=lambda: now[0])
    for event in BATCH[:1]:
        tally.take(event)
    assert tally.seconds_left is None
    now[0] = 110.0
    for event in BATCH[1:]:
        tally.take(event)
    counts = tally.runs["adaptive-rag"]
    assert (counts.done, counts.valid, counts.failed, counts.running) == (2, 1, 1, {"c": "bug_analysis"})
    assert tally.tokens_per_s == 100.0
    assert tally.seconds_left == 2 * 10.0 / 2


def test_a_pipe_gets_one_line_for_each_instance_that_ends_with_its_reason(capsys):
    with PlainBatchView() as view:
        for event in BATCH:
            view.show(event)
    assert capsys.readouterr().err.splitlines() == [
        "adaptive-rag: 5 instances, 1 done before",
        "adaptive-rag: 2/5 a no_patch in 1.5 s",
        "adaptive-rag: 3/5 b failed: no \ufffd[31mcommit",
    ]


def test_a_terminal_shows_counts_the_interval_what_runs_and_what_failed():
    out = io.StringIO()
    with LiveBatchView(Console(file=out, force_terminal=True, width=100)) as view:
        for event in BATCH:
            view.show(event)
    shown = out.getvalue()
    for fact in ("2/5", "50% (9%–91%, n 2)", "bug_analysis", "3/5 ended, 1 running, 1 failed", "left"):
        assert fact in shown
    assert "\x1b[31mcommit" not in shown
