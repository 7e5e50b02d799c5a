"""What is handed out is what was validated, byte for byte, on every way out of the command line."""

import json
import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cli.output import print_json, print_result
from orchestrator.cli.patch_view import write_patch
from orchestrator.records import Result
from orchestrator.task.artifacts import Artifacts
from orchestrator.task.solve import commit
from swebench.data.predictions import read_predictions
from swebench.patches.diffs import unified_diff
from tests.orchestrator.conftest import git

LINES = st.sampled_from(["", "a", "\tb = 1", "    c", "é\u2028\x85h", "\x0cd", "e\x1b[31m", "\ufefff", "\\g"])
TEXTS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12).flatmap(
    lambda pairs: st.builds(lambda tail: "".join(line + end for line, end in pairs) + tail, LINES)
)


@settings(max_examples=60, deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_files_pipe_and_json_hand_out_exactly_the_patch(tmp_path_factory, before, after):
    patch = unified_diff("pkg/mod.py", before, after)
    out = tmp_path_factory.mktemp("out")
    result = Result(instance_id="a__b-1", status="patched", patch=patch, artifacts=str(out))
    artifacts = Artifacts(out, "a__b-1")
    assert artifacts.read(artifacts.write("patch.diff", patch)) == patch
    commit(out, result, "model")
    assert artifacts.read_record("result.json", Result).patch == patch
    assert read_predictions(out / "predictions.jsonl")["a__b-1"].model_patch == patch
    with capture() as written:
        print_json(result.model_dump(mode="json"))
    assert json.loads(written())["patch"] == patch
    if patch:
        with capture() as written:
            print_result(result)
        assert written() == patch.encode()


class capture:
    """Standard output as bytes, as a pipe gets them; `capsys` cannot be used by Hypothesis."""

    def __enter__(self):
        self._read, write = os.pipe()
        self._plain, sys.stdout = sys.stdout, os.fdopen(write, "w", encoding="latin-1")
        return self._written

    def __exit__(self, *exit_):
        sys.stdout.close()
        sys.stdout = self._plain

    def _written(self):
        with os.fdopen(self._read, "rb") as file:
            return file.read()


def test_the_output_of_solve_goes_straight_into_git_apply(project, tmp_path):
    path = project / "abacus" / "crlf.py"
    path.write_bytes(b"def f():\r\n\treturn 1  # \xc3\xa9")
    git(project, "add", "-A")
    before = path.read_bytes().decode()
    after = before.replace("return 1", "return 2")
    result = Result(instance_id="a", status="patched", patch=unified_diff("abacus/crlf.py", before, after))
    with capture() as written:
        print_result(result)
    subprocess.run(["git", "apply"], cwd=project, input=written(), check=True)
    assert path.read_bytes() == after.encode()


def shown_on_a_terminal(patch: str) -> str:
    """What a terminal is sent, without its colours; line feeds as they are."""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    program = "import sys; from orchestrator.cli.patch_view import write_patch; write_patch(sys.argv[1], 'F')"
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    subprocess.run([sys.executable, "-c", program, patch], stdout=theirs, check=True, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 1 << 16):
            shown += piece
    except OSError:
        pass  # Linux's way to say that the other end is closed
    os.close(ours)
    assert b"\x1b[32m+" in shown
    return re.sub(r"\x1b\[\d+m", "", shown.decode())


def test_a_terminal_gets_the_patch_with_tabs_and_carriage_returns():
    patch = unified_diff("a.py", "if a:\r\n\tb = 1\r\nc", "if a:\r\n\tb = 2\r\nc  \n")
    assert shown_on_a_terminal(patch) == "\n" + patch


def test_what_could_drive_a_terminal_is_replaced_and_said():
    patch = unified_diff("a.py", "a\n", "b\x1b[2J\rc\n")
    shown = shown_on_a_terminal(patch)
    assert "+b\ufffd[2J\ufffdc\n" in shown and "exact bytes are in F" in shown


def test_a_patch_is_not_coloured_where_the_user_wants_none(monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write_patch("+a\n", "F")
    assert capsys.readouterr().out == "\n+a\n"


@pytest.mark.parametrize("text", ["α", "\ud800", "\r\n\t"])
def test_json_is_utf8_in_any_locale(text):
    with capture() as written:
        print_json({"a": text})
    assert json.loads(written().decode()) == {"a": text}
