"""`orchestrate bench engine` as a user meets it: a table, one JSON document, and wrong names refused."""

import json
import os
import subprocess
import sys

import pytest

from orchestrator.cli import main
from vectors.bench.sides import Sides
from vectors.bench.table import ROW_NAMES


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))


def run(capsys, *arguments):
    """Exit code, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as exit_:
        main(["bench", "engine", *map(str, arguments)])
    captured = capsys.readouterr()
    return exit_.value.code or 0, captured.out, captured.err


def test_named_rows_are_measured_and_are_the_only_thing_on_stdout(capsys, tiny_model):
    rows = ("single_vs_hf_fp32", "mixed16_vs_llamacpp16")
    flags = [flag for row in rows for flag in ("--rows", row)]
    code, out, err = run(capsys, "--model", tiny_model, "--repeats", 2, "--json", *flags)
    assert code == 0
    document = json.loads(out)
    measured, absent = document["rows"]
    assert (measured["name"], measured["n"]) == (rows[0], 2)
    assert measured["value"] > 0 and measured["agreement"]["same_tokens"] == 2
    assert (absent["name"], absent["value"]) == (rows[1], None)
    assert "--install-peers" in absent["absent"]
    assert document["machine"]["threads"] >= 1
    assert "single" in err
    assert ("warning" in err) == document["machine"]["busy"]


def test_an_interruption_keeps_the_rows_measured_by_then(capsys, tiny_model, monkeypatch):
    measure = Sides.measure

    def interrupted(self, side, workload, repetition):
        if workload == "decode16":
            raise KeyboardInterrupt
        return measure(self, side, workload, repetition)

    monkeypatch.setattr(Sides, "measure", interrupted)
    monkeypatch.setattr(Sides, "warm_up", lambda *_: None)
    rows = ("single_vs_hf_fp32", "mixed16_vs_llamacpp16")
    flags = [flag for row in rows for flag in ("--rows", row)]
    code, out, _ = run(capsys, "--model", tiny_model, "--repeats", 1, "--json", *flags)
    assert code == 130
    document = json.loads(out)
    done, lost = document["rows"]
    assert document["interrupted"] and done["value"] > 0
    assert (lost["value"], lost["absent"]) == (None, "interrupted")


def test_the_table_fits_a_pipe_and_says_what_was_measured_on_what(capsys, tiny_model):
    code, out, _ = run(capsys, "--model", tiny_model, "--repeats", 1, "--rows", "single_vs_hf_fp32")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("single_vs_hf_fp32"))
    assert "≥ 1.25" in line and line.rstrip().endswith("1/1")
    assert "…" not in out
    assert "threads" in out and "load average" in out


def test_an_unknown_row_is_refused_with_the_names_that_there_are(capsys):
    code, out, err = run(capsys, "--rows", "fastest")
    assert code == 2 and out == ""
    assert "fastest" in err and ROW_NAMES[0] in err


def test_an_unknown_model_is_refused_before_anything_is_measured(capsys):
    code, out, err = run(capsys, "--model", "no-such/model/anywhere")
    assert code == 2 and out == ""
    assert len(err.splitlines()) == 1


def test_help_needs_neither_torch_nor_transformers():
    code = (
        "import sys, orchestrator.cli as c\n"
        "try: c.main(['bench', 'engine', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "--rows" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
