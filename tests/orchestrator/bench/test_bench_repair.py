"""`orchestrate bench repair` on a real repository, with a model that has nothing to say."""

import json

import pytest

from orchestrator.cli import main
from swebench.patches.diffs import unified_diff
from tests.orchestrator.conftest import CALC, TEXT, git


@pytest.fixture
def rows(project, tmp_path):
    """Three tasks on the project: one edit of the catalogue, no such edit, and no patch at all."""
    (tmp_path / "repos").mkdir()
    project.rename(tmp_path / "repos" / "local__abacus")
    head = git(tmp_path / "repos" / "local__abacus", "rev-parse", "HEAD")
    edit = unified_diff("abacus/text.py", TEXT, TEXT.replace("> width", ">= width"))
    more = unified_diff(
        "abacus/calc.py",
        CALC,
        CALC.replace("    total =", "    if not values:\n        raise E(1)\n    total ="),
    )
    path = tmp_path / "tasks.jsonl"
    tasks = [
        {"instance_id": f"local__abacus-{number}", "repo": "local/abacus", "base_commit": head,
         "problem_statement": "shorten() keeps text of exactly width characters\n\nmean() fails.",
         "patch": patch, "test_patch": "", "FAIL_TO_PASS": "[]", "PASS_TO_PASS": "[]", "version": "1"}
        for number, patch in enumerate([edit, more, ""])
    ]  # fmt: skip
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return path


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        main(["bench", "repair", *map(str, arguments)])
    captured = capsys.readouterr()
    return exit_.value.code or 0, captured.out, captured.err


def test_the_rank_of_the_gold_edit_is_told_and_what_cannot_be_measured_is_left_out(
    capsys, rows, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    flags = ["--dataset", rows, "--repos", tmp_path / "repos", "--model", tiny_model]
    code, out, _ = run(capsys, *flags, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["n"] == 2
    assert list(document["left_out"]) == ["local__abacus-2"]
    reached, unreached = document["instances"]
    assert reached["edit_rank"] >= 1 and reached["kind"] == "comparison"
    assert (unreached["one_line"], unreached["edit_rank"]) == (False, None)
    one_line = document["one_line"]
    assert (one_line["n"], one_line["gold_edit_proposed"]["hits"]) == (1, 1)
    low, high = document["place_found"]["ci95"]
    assert 0 <= low <= document["place_found"]["percent"] <= high <= 100

    code, out, _ = run(capsys, *flags, "--one-line")
    assert code == 0
    assert "patches of one line for one, n = 1" in out
    assert "gold edit among the first 100" in out
