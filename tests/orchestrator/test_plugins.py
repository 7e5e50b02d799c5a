"""The plug-ins of the documentation, really installed and used through the command line."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.batch.batches import make_tasks
from tests.plugins import install

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
SIGNALS, KINDS, SOURCES = (
    "orchestrate.retrieval_signals",
    "orchestrate.edit_kinds",
    "orchestrate.task_sources",
)


def of_the_page(heading: str) -> str:
    section = PAGE.partition(f"\n## {heading}\n")[2]
    block = re.search(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Folders to put on the path: one a plug-in of the page, and some that are wrong."""
    folder = tmp_path_factory.mktemp("plugins")

    def made(name, source, group, **entries):
        return install(folder / name, name, source, group, **entries)

    faulty = "def fails(*given):\n    raise RuntimeError('no\\nidea')\n\n\ndef odd(*given):\n    return [1]\n"
    signal = "from retrieval.signals import Signal\n\nWRONG = Signal(1.0, lambda index, question: [0.5])\n"
    return {
        "signal": made("near-the-top", of_the_page("Retrieval signals"), SIGNALS, shallow="SHALLOW"),
        "kind": made("exact-sums", of_the_page("Kinds of edit"), KINDS, exact_sum="exact_sum"),
        "source": made("csv-tasks", of_the_page("Sources of tasks"), SOURCES, **{".csv": "rows"}),
        "broken signal": made("not-there", "", SIGNALS, other="NOTHING"),
        "wrong signal": made("too-few", signal, SIGNALS, few="WRONG"),
        "double signal": made("same-name", of_the_page("Retrieval signals"), SIGNALS, title="SHALLOW"),
        "failing source": made("failing-tasks", faulty, SOURCES, failing="fails", odd="odd"),
    }


@pytest.fixture
def orchestrate(plugins, tmp_path):
    """Runs a command beside plug-ins; gives its exit code, stdout and stderr."""

    def run(*arguments, beside):
        path = os.pathsep.join([*(str(plugins[name]) for name in beside), *filter(None, sys.path)])
        done = subprocess.run(
            [sys.executable, "-c", "from orchestrator.cli import main; main()", *map(str, arguments)],
            env=os.environ
            | {"PYTHONPATH": path, "ORCHESTRATE_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


NAME = "local__abacus-0"
RETRIEVE = ("retrieve", "harborlab__tidetable-23", "--json")


def scores(printed):
    return {hit["path"]: hit["score"] for hit in json.loads(printed)["hits"]}


def test_a_signal_adds_its_weight_to_the_best_file_and_its_share_to_the_others(orchestrate):
    plain = scores(orchestrate(*RETRIEVE, beside=[])[1])
    code, out, err = orchestrate(*RETRIEVE, beside=["signal"])
    assert code == 0, err
    gained = {path: round(score - plain[path], 3) for path, score in scores(out).items()}
    assert gained["tidetable/stats.py"] == 0.2
    assert set(gained.values()) <= {0.2, 0.133, 0.002}  # the last is a script's, which counts a hundredth


def test_edits_of_a_further_kind_become_candidates_and_the_manifest_names_what_took_part(
    orchestrate, tiny_model, tmp_path, with_environments
):
    with_environments(tmp_path / "cache")
    tasks, out = make_tasks(tmp_path / "data", ("mean() of floats is not exact",)), tmp_path / "out"
    row = json.loads(tasks.read_text()) | {"test_cmd": "python -c pass"}
    tasks.write_text(json.dumps(row) + "\n")
    named = {"--dataset": tasks, "--repos": tmp_path / "data" / "repos", "--model": tiny_model, "--out": out}
    flags = [each for pair in named.items() for each in pair]
    # All edits are candidates where tests may be run.
    limits = ("--edits", 200, "--retries", 0, "--run-tests")
    code, _, err = orchestrate("solve", NAME, *flags, *limits, "--json", beside=["kind", "signal"])
    assert code == 0, err
    candidates = json.loads((out / NAME / "candidates" / "0.json").read_text())
    assert "__import__('math').fsum" in {
        each["rewrite"] for each in candidates if each["kind"] == "exact sum"
    }
    determinants = json.loads((out / "manifest.json").read_text())["determinants"]
    assert determinants["plugins"] == {
        f"{SIGNALS}: shallow": "near-the-top 1.0",
        f"{KINDS}: exact_sum": "exact-sums 1.0",
    }


def test_a_file_of_a_kind_that_a_plug_in_reads_is_a_data_set(orchestrate, tmp_path):
    row = {
        "instance_id": "acme__calc-1",
        "repo": "acme/calc",
        "base_commit": "a" * 40,
        "problem_statement": "add() subtracts\n\nIt should add.",
        "version": "",
    }
    with (tmp_path / "tasks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([row, row | {"instance_id": "acme__calc-2"}])
    code, out, err = orchestrate("tasks", "list", "--dataset", "tasks.csv", "--json", beside=["source"])
    assert code == 0, err
    assert [each["instance_id"] for each in json.loads(out)] == ["acme__calc-1", "acme__calc-2"]
    assert "is no data set" in orchestrate("tasks", "list", "--dataset", "tasks.csv", beside=[])[2]


@pytest.mark.parametrize(
    ("beside", "arguments", "code", "said"),
    [
        (
            "broken signal",
            RETRIEVE,
            2,
            "'other' of orchestrate.retrieval_signals, not_there:NOTHING from not-there",
        ),
        (
            "wrong signal",
            RETRIEVE,
            1,
            "'few' of orchestrate.retrieval_signals from too-few 1.0 gave scores of shape",
        ),
        ("double signal", RETRIEVE, 2, "this project and same-name 1.0 both provide 'title'"),
        ("failing source", ("tasks", "list", "--dataset", "failing"), 1, "failed (RuntimeError: no idea)"),
        ("failing source", ("tasks", "list", "--dataset", "odd"), 1, "gave 1 as row 1, expected a mapping"),
    ],
)
def test_a_plug_in_that_is_wrong_is_named_in_one_line(orchestrate, beside, arguments, code, said):
    found, out, err = orchestrate(*arguments, beside=[beside])
    assert (found, out) == (code, "")
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_data_set_of_our_own_needs_no_look_for_plug_ins(monkeypatch):
    from orchestrator import plugins as looked

    def look(**_):
        raise AssertionError("looked for plug-ins")

    monkeypatch.setattr("vectors.plugins.entry_points", look)
    assert [looked.task_source(each) for each in ("bundled", "verified", "rows.jsonl")] == [None] * 3
