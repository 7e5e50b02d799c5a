"""What a person sees while a run goes on: the same facts on a terminal and in a pipe."""

import io

from rich.console import Console

from orchestrator import events
from orchestrator.cli import view
from orchestrator.cli.view import NODES, LiveView, PlainView
from orchestrator.policy.decisions import Code, SteeringRecord
from orchestrator.records import Hit

STEERED = SteeringRecord(
    applied=True,
    vector="code_reading",
    layer=16,
    alpha=37.8,
    relative_alpha=0.2,
    mode="add",
    code=Code.ZERO_SHOT,
    reason="zero-shot prompt without retrieved code",
)
OFF = SteeringRecord(applied=False, code=Code.CONTEXT, reason="off: the prompt holds 9 tokens")
RUN = [
    events.Resumed(nodes=["code_reading"]),
    events.NodeStarted(node="bug_analysis"),
    events.Decided(node="bug_analysis", steering=OFF),
    events.Tokens(node="bug_analysis", count=1, text="The"),
    events.NodeFinished(node="bug_analysis", seconds=2.0, new_tokens=40, prompt_tokens=900),
    events.NodeStarted(node="patch_writing", attempt=1),
    events.Decided(node="patch_writing", steering=STEERED),
    events.Retrieved(hits=[Hit(path="[bold]/a.py", score=2.5)], definitions=[]),
    events.Progressed(label="indexing", done=0, total=9),
    events.Progressed(label="indexing", done=0, total=9),
    events.CandidateChecked(number=3, verdict="valid", path="[bold]/a.py"),
]
FACTS = ("layer 16", "20% of the spread", "the prompt holds 9 tokens", "[bold]/a.py", "valid")


def test_a_pipe_gets_every_fact_as_one_line_and_none_twice(capsys):
    with PlainView() as view:
        for event in RUN:
            view.show(event)
    lines = capsys.readouterr().err.splitlines()
    text = "\n".join(lines)
    for fact in (*FACTS, "attempt 2", "20 tokens/s", "finished model nodes: code_reading"):
        assert fact in text
    assert lines.count("indexing: 0/9") == 1


def test_a_log_shows_steps_only_of_what_takes_long(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 40.0, 41.0])
    monkeypatch.setattr(view.time, "monotonic", lambda: next(clock))
    plain = view.PlainView()
    for done in range(4):
        plain.progress("indexing", done, 9)
    assert capsys.readouterr().err.splitlines() == ["indexing: 0/9", "indexing: 2/9"]


def test_a_terminal_gets_the_same_facts_in_its_table():
    out = io.StringIO()
    with LiveView(Console(file=out, width=200, force_terminal=True, color_system=None), NODES) as view:
        for event in RUN:
            view.show(event)
    shown = out.getvalue()
    for fact in (*FACTS, "finished before", "running"):
        assert fact in shown


def test_a_path_cannot_drive_the_terminal(capsys):
    with PlainView() as view:
        view.show(events.Retrieved(hits=[Hit(path="a\x1b[2J\x9b2J.py", score=1.0)], definitions=[]))
    assert not {"\x1b", "\x9b"} & set(capsys.readouterr().err)
