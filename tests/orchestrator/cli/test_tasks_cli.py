"""`orchestrate tasks`: any data set that `solve` takes, and nothing of it that only grading may see."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from orchestrator.cli import main
from swebench.data.loading import load_instances

INSTANCE = "harborlab__tidetable-23"
ROW = {
    "instance_id": "nobody__nothing-1",
    "repo": "nobody/nothing",
    "base_commit": "0" * 40,
    "problem_statement": "# It fails\x1b[2J\n\nWhy?",
}


@pytest.fixture
def tasks(capsys, monkeypatch, tmp_path):
    """Exit code, stdout and stderr of a command on tasks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))

    def tasks(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["tasks", *map(str, arguments)])
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return tasks


def test_the_list_has_id_repository_and_title_of_every_bundled_task(tasks):
    code, out, err = tasks("list")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == len(load_instances("bundled").instances)
    assert f"{INSTANCE}  harborlab/tidetable  Smoothed high water comes out late" in out.splitlines()


def test_the_list_as_json_says_which_repositories_are_here(tasks):
    found = json.loads(tasks("list", "--json", "--limit", "2")[1])
    assert len(found) == 2
    assert set(found[0]) == {"instance_id", "title", "repo", "here"}
    assert found[0]["here"] is True


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_files_are_listed_as_solve_reads_them(tasks, tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW]), path)
    else:
        path.write_text(json.dumps([ROW] if suffix == ".json" else ROW))
    _, out, err = tasks("list", "--dataset", path)
    assert out == "nobody__nothing-1  nobody/nothing  It fails�[2J\n"
    assert "nobody/nothing" in err  # to be cloned


def test_a_folder_of_repositories_is_looked_into(tasks, tmp_path, project):
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW))
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "nobody__nothing").symlink_to(project)
    assert tasks("list", "--dataset", "rows.jsonl", "--repos", "mirror")[2] == ""


def test_a_task_is_shown_with_its_issue_and_how_it_is_graded(tasks):
    code, out, _ = tasks("show", INSTANCE)
    task = load_instances("bundled").get(INSTANCE).task
    assert code == 0
    assert task.problem_statement.strip() in out
    assert task.base_commit[:12] in out
    assert "3 hidden tests to make pass, 68 to keep passing" in out


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_gold_patch_and_hidden_tests_are_never_shown(tasks, form):
    instance = load_instances("bundled").get(INSTANCE)
    out = tasks("show", INSTANCE, *form)[1]
    for secret in (*instance.fail_to_pass, *instance.pass_to_pass):
        assert secret not in out
    added = [line[1:].strip() for line in instance.patch.splitlines() if line.startswith("+ ")]
    assert added
    assert not any(line in out for line in added)


def test_a_task_that_cannot_be_graded_says_why(tasks, tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW))
    found = json.loads(tasks("show", ROW["instance_id"], "--dataset", "rows.jsonl", "--json")[1])
    assert found["repository"] is None
    assert found["title"] == "It fails\x1b[2J"
    assert found["grading"]["here"] is False
    assert "FAIL_TO_PASS is empty" in found["grading"]["reason"]


def test_an_unknown_id_names_the_nearest(tasks):
    code, out, err = tasks("show", "harborlab__tidetable-24")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert INSTANCE in err


def test_a_mistyped_command_is_guessed(tasks):
    code, _, err = tasks("shwo")
    assert code == 2
    assert "Did you mean 'show'?" in err
