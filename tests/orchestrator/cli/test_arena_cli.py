"""`orchestrate arena` as a user meets it: on a terminal, in a pipe, as JSON, with wrong input."""

import io
import json

import pytest
from rich.console import Console

from orchestrator.arena import ColumnShown, Shown
from orchestrator.cli import main
from orchestrator.cli.arena_view import ArenaView
from orchestrator.column_differences import Difference, spans

SMALL = ["--tokens", "8"]
TWO = ["--column", "bugs=6·bug_analysis", "--column", "a = b=50%·code_reading@1"]


@pytest.fixture
def arena(capsys, monkeypatch, tmp_path, tiny_model):
    """Exit code, stdout and stderr with the tiny model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ORCHESTRATE_MODEL", str(tiny_model))

    def arena(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["arena", *arguments])
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return arena


def test_a_pipe_gets_every_column_in_plain_text_and_json_has_the_same(arena):
    code, out, _ = arena("Why?", *SMALL, "--column", "bugs=6·bug_analysis")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("---")] == [
        "--- baseline ---",
        "--- bugs ---",
    ]
    assert "\x1b" not in out
    code, document, _ = arena("Why?", *SMALL, "--column", "bugs=6·bug_analysis", "--json")
    found = json.loads(document)
    assert code == 0
    baseline, bugs = found["columns"]
    assert (baseline["name"], baseline["steering"], baseline["difference"]) == ("baseline", "", None)
    assert bugs["steering"].endswith("·bug_analysis@2")
    assert bugs["divergence_bits"] > 0
    own = [span["text"] for span in bugs["difference"]["diff"] if span["kind"] != "delete"]
    assert "".join(own) == bugs["text"]
    assert f"{bugs['new_tokens']} tokens; from token" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--column", "bugs"], "expected NAME=STEERING"),
        (["--column", "=bug_analysis"], "expected NAME=STEERING"),
        (["--column", "a=bug_analysis["], "bug_analysis["),
        (["--column", "a=nothing"], "nothing"),
        (["--column", "a=bug_analysis@99"], "layer 99"),
        (["--column", "baseline=bug_analysis"], "two columns are called 'baseline'"),
        (["--column", "a=bug_analysis", "--column", "a=code_reading"], "two columns are called 'a'"),
        (["--column", "a\x1b[2J=bug_analysis"], "printable"),
        ([each for n in range(6) for each in ("--column", f"c{n}=bug_analysis")], "at most 5"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_line(arena, arguments, said):
    code, out, err = arena("Why?", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "\x1b" not in err.replace("\\x1b", "")


def test_on_a_terminal_the_columns_stand_side_by_side_or_below_one_another():
    texts = {"baseline": "The sea is wide.", "bugs": "The sea is \x1b[2Jbroken.", "more": "No sea."}
    shown = Shown(
        tuple(
            ColumnShown(
                name,
                "" if name == "baseline" else "6·bug_analysis@2",
                text,
                4,
                "stop",
                None,
                None
                if name == "baseline"
                else Difference(same=False, first=None, jaccard=0.5, diff=spans(texts["baseline"], text)),
            )
            for name, text in texts.items()
        ),
        first_token_s=0.2,
        seconds=0.5,
    )
    pages = {}
    for width in (80, 160):
        written = io.StringIO()
        console = Console(file=written, width=width, force_terminal=True, color_system="truecolor")
        view = ArenaView(console, "Where?", list(texts))
        view.finish_columns(shown, "tiny")
        pages[width] = written.getvalue()
        assert "\x1b[2J" not in pages[width]
        assert "24 tokens/s" in pages[width]
    first = pages[160].splitlines()[2]
    assert all(name in first for name in texts)
    assert "\x1b[33mbroken" in pages[160].replace("\ufffd[2J", "")
    assert len(pages[80].splitlines()) > len(pages[160].splitlines())
