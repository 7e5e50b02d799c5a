"""`orchestrate bench repair` on a real repository, with a model that has nothing to say."""

import json

import pytest

from orchestrator.bench import localization, repair
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


def run(capsys, *arguments, command="repair"):
    with pytest.raises(SystemExit) as exit_:
        main(["bench", command, *map(str, arguments)])
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


@pytest.mark.parametrize("command", ["repair", "retrieval"])
def test_instances_that_are_done_are_not_measured_again_after_an_interruption(
    capsys, rows, tiny_model, tmp_path, monkeypatch, command
):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    flags = ["--dataset", rows, "--repos", tmp_path / "repos", "--model", tiny_model, "--json"]
    _, whole, _ = run(capsys, *flags, command=command)
    module, name = {"repair": (repair, "rank_gold"), "retrieval": (localization, "locate")}[command]
    measured, most, real = [], [1], getattr(module, name)

    def counted(retriever, instance, *others):
        if len(measured) == most[0]:
            raise KeyboardInterrupt
        measured.append(instance.instance_id)
        return real(retriever, instance, *others)

    monkeypatch.setattr(module, name, counted)
    code, out, err = run(capsys, *flags, command=command)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1].startswith("interrupted: 1 unit kept, run the same command again")
    most[0] = 9
    code, again, err = run(capsys, *flags, command=command)
    assert measured == ["local__abacus-0", "local__abacus-1", "local__abacus-2"]
    assert any(line.startswith("1 of ") and "kept;" in line for line in err.splitlines())
    times = ("seconds", "index_s", "query_ms", "peak_mb", "speed")
    one, other = (
        {name: value for name, value in json.loads(each).items() if name not in times}
        for each in (whole, again)
    )
    assert one == other
