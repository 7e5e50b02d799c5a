"""`orchestrate chat` as a user meets it: on a terminal, in a pipe, as JSON, with wrong input, interrupted."""

import io
import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from filelock import FileLock
from rich.console import Console

from orchestrator.chat import Answer, Comparison
from orchestrator.cli import main
from orchestrator.cli.chat_view import SideBySide, word_differences

SMALL = ["--tokens", "12"]
FOUND = Comparison(
    unsteered=Answer("The sea is \x1b[2Jwide and blue.", 6, "stop"),
    steered=Answer("The sea is a class.", 5, "length"),
    first_token_s=0.25,
    seconds=0.5,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def chat(capsys, monkeypatch, tmp_path, cache, tiny_model):
    """Exit code, stdout and stderr of a chat with the tiny model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache))
    monkeypatch.setenv("ORCHESTRATE_MODEL", str(tiny_model))

    def chat(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["chat", *arguments])
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return chat


def test_a_pipe_gets_both_answers_in_plain_text_under_their_names(chat):
    code, out, _ = chat("What", "now?", *SMALL)
    assert code == 0
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0] == "--- unsteered ---"
    assert lines.index("--- steered ---") > 0
    assert "·bug_analysis@2 (" in lines[-2]
    assert "% of the residual's spread" in lines[-2]
    assert "tokens/s" in lines[-1]


def test_json_is_one_document_with_everything_that_determined_the_answers(chat, tiny_model):
    code, out, _ = chat("What now?", "--json", "--domain", "code_reading", "--seed", "5", *SMALL)
    found = json.loads(out)
    assert code == 0
    assert (found["prompt"], found["seed"]) == ("What now?", 5)
    (only,) = found["interventions"]
    assert (only["vector"], only["operation"], only["positions"]) == ("code_reading", "add", "all")
    assert found["steering"].endswith(f"·code_reading@{only['layer']}")
    assert float(found["steering"].split("·")[0]) == pytest.approx(only["alpha"], abs=1e-4)
    assert found["model"] == str(tiny_model)
    assert {"temperature", "system", "tokens_per_s"} <= set(found)
    for side in ("unsteered", "steered"):
        assert set(found[side]) == {"text", "new_tokens", "finish_reason"}


@pytest.mark.parametrize("words", [["-"], []], ids=["a dash", "nothing"])
def test_the_prompt_may_come_from_a_pipe(chat, monkeypatch, words):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Größe?\n".encode())))
    assert json.loads(chat(*words, "--json", *SMALL)[1])["prompt"] == "Größe?\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["hi", "--domain", "bug_analisys"], "bug_analysis"),
        (["hi", "--layer", "4"], "expected 0 to 3"),
        (["hi", "--tokens", "16384"], "context"),
        (["hi", "--alpha", "nan"], "finite"),
        ([" "], "empty"),
        (["hi", "--steer", "20%·bug_analisys"], "bug_analysis"),
        (["hi", "--steer", "20%·bug_analysis@1 when code_reading@9>0"], "expected 0 to 3"),
        (["hi", "--steer", "bug_analysis@"], "cannot be read at its end"),
        (["hi", "--steer", "bend(bug_analysis)"], "no operation 'bend'"),
        (["hi", "--steer", "x.safetensors"], "no vector file"),
        (["hi", "--steer", "bug_analysis", "--layer", "1"], "--steer"),
        (["hi", "--model", "no/such"], "no/such"),
        (["hi", "--domian", "x"], "--domain"),
    ],
    ids=str,
)
def test_wrong_input_is_one_line_and_exit_code_2(chat, monkeypatch, arguments, expected):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = chat(*arguments)
    lines = [line for line in err.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert (code, out, len(lines)) == (2, "", 1)
    assert expected in lines[0]


def test_bytes_that_are_not_utf8_are_refused(chat, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    code, _, err = chat("-")
    assert code == 2
    assert "UTF-8" in err


def test_wrong_input_is_refused_before_anything_heavy_is_imported(tiny_model):
    code = (
        "import sys, orchestrator.cli as c\n"
        f"try: c.main(['chat', 'hi', '--layer', '99', '--model', {str(tiny_model)!r}])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'langgraph', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "layer 99" in done.stderr
    assert done.stdout == "[]\n"


def test_words_that_both_have_are_no_difference():
    found = word_differences("The sea is wide and blue.", "The sea is a class.")
    assert found["unsteered"] == [("The sea is ", True), ("wide and blue.", False)]
    assert found["steered"] == [("The sea is ", True), ("a class.", False)]


def test_an_empty_answer_differs_in_every_word():
    assert word_differences("", "a b") == {"unsteered": [], "steered": [("a b", False)]}


def finished(width):
    out = io.StringIO()
    console = Console(file=out, width=width, height=40, force_terminal=True, color_system="standard")
    with SideBySide(console, "Tell me about the sea.") as view:
        view.text("unsteered", "The sea")
    out.truncate(0)
    view.finish(FOUND, "facts")
    return out.getvalue()


def test_a_wide_terminal_gets_two_columns_and_a_narrow_one_gets_one():
    def line_of(page, word):
        return next(number for number, line in enumerate(page.splitlines()) if word in line)

    wide, narrow = finished(140), finished(80)
    assert line_of(wide, "blue.") == line_of(wide, "class.")
    assert line_of(narrow, "blue.") < line_of(narrow, "class.")
    for page in (wide, narrow):
        assert "22 tokens/s, the first after 0.25 s" in page


def test_only_words_that_differ_are_coloured_and_answers_cannot_drive_the_terminal():
    page = finished(140)
    assert "\x1b[33ma class.\x1b[0m" in page
    assert "\x1b[36m�[2Jwide and blue.\x1b[0m" in page
    assert "The sea is \x1b" in page
    assert "\x1b[2J" not in page


def test_while_they_grow_long_answers_show_their_end():
    out = io.StringIO()
    console = Console(file=out, width=80, height=16, force_terminal=True, color_system=None)
    with SideBySide(console, "Count.") as view:
        view.text("steered", "\n".join(f"line {number}" for number in range(60)))
        view._live.refresh()
        out.truncate(0)
        view._live.refresh()
    assert "line 59" in out.getvalue()
    assert "line 0\n" not in out.getvalue()


def on_terminal(*arguments):
    """A chat on a pseudo terminal: its process, and the terminal's end of the line."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from orchestrator.cli import main; main()", "chat", *arguments]
    environment = os.environ | {"COLUMNS": "120", "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    return process, ours


def read_until(ours, expected):
    """What the terminal showed up to a text, or to the process's end."""
    shown = ""
    while expected is None or expected not in shown:
        try:
            shown += os.read(ours, 65536).decode(errors="replace")
        except OSError:  # Linux: the other end is closed
            break
    return shown


def test_a_terminal_shows_both_sides_and_is_left_as_it_was(chat):
    process, ours = on_terminal("What now?", *SMALL)
    shown = read_until(ours, None)
    os.close(ours)
    assert process.wait(60) == 0
    assert "unsteered" in shown
    assert shown.rstrip().endswith("s\x1b[0m")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


def test_without_a_prompt_a_terminal_says_how_to_ask(chat):
    process, ours = on_terminal()
    shown = read_until(ours, None)
    os.close(ours)
    assert process.wait(60) == 2
    assert "ask something: orchestrate chat " in shown


def test_ctrl_c_ends_with_130_and_one_line(chat, cache):
    chat("What now?", *SMALL)
    lock = next(cache.glob("vectors/*/bug_analysis-*.lock"))
    with FileLock(lock):  # so that it cannot be done before it is interrupted
        process, ours = on_terminal("What now?", *SMALL)
        read_until(ours, "loading the model")
        process.send_signal(signal.SIGINT)
        shown = read_until(ours, None)
        os.close(ours)
        assert process.wait(60) == 130
    assert shown.rstrip().endswith("interrupted")
    assert "Traceback" not in shown
