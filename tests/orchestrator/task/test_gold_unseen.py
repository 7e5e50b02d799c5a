"""While a task is solved, its gold patch and its hidden tests are nowhere in the process."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.task.nodes import validate
from swebench.patches.diffs import unified_diff
from tests.orchestrator.conftest import PROBLEM, TEXT, git

MARK = "mark_of_the_gold_columns"


def texts_alive() -> Iterator[str]:
    """Every text that some object of the process holds; containers of plain values are not tracked."""
    gc.unfreeze()  # what was there before the model was loaded
    gc.collect()
    waiting = gc.get_objects()
    while waiting:
        for held in gc.get_referents(waiting.pop()):
            # By type, not isinstance: some libraries warn when their lazy objects are asked for their class.
            if type(held) is str:
                yield held
            elif type(held) in {tuple, list, dict, set, frozenset} and not gc.is_tracked(held):
                waiting.append(held)


@pytest.fixture
def tasks(project, tmp_path) -> Path:
    (tmp_path / "repos").mkdir()
    project.rename(tmp_path / "repos" / "local__abacus")
    patch = unified_diff("abacus/text.py", TEXT, TEXT.replace("return text[:width]", f"return {MARK}"))
    row = {
        "instance_id": "local__abacus-1",
        "repo": "local/abacus",
        "base_commit": git(tmp_path / "repos" / "local__abacus", "rev-parse", "HEAD"),
        "problem_statement": PROBLEM,
        "patch": patch,
        "test_patch": patch,
        "hints_text": MARK,
        "FAIL_TO_PASS": json.dumps([MARK]),
        "PASS_TO_PASS": json.dumps([MARK]),
    }
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path


def test_no_object_of_the_solver_holds_a_gold_column(tasks, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    found: list[list[str]] = []
    check = validate.check_patch

    def watched(*arguments: Any, **named: Any) -> Any:
        alive = list(texts_alive())
        assert PROBLEM in alive, "what the solver may see is found this way"
        found.append([text for text in alive if MARK in text and text != MARK])
        return check(*arguments, **named)

    monkeypatch.setattr(validate, "check_patch", watched)
    flags = [
        "--dataset",
        tasks,
        "--repos",
        tmp_path / "repos",
        "--model",
        tiny_model,
        "--variant",
        "baseline",
    ]
    with pytest.raises(SystemExit):
        main(["solve", "local__abacus-1", *map(str, flags), "--out", str(tmp_path / "out")])
    capsys.readouterr()
    assert found
    assert all(not texts for texts in found)
