"""The command line as a user meets it: results, wrong input in one line, exit codes, kills and resuming."""

import json
import signal
import subprocess
import sys

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from orchestrator.cli import main
from tests.orchestrator.conftest import ended_at, git

INSTANCE = "harborlab__tidetable-23"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Runs and cache are in a folder of the test's own, as on a new machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def run(capsys, *arguments):
    """Exit code, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return exit_.value.code or 0, captured.out, captured.err


def refused(capsys, *arguments):
    """The one line that a command with wrong input ends with."""
    code, out, err = run(capsys, *arguments)
    assert code in (1, 2)
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith(("Usage:", "Try ")) and line]
    assert len(lines) == 1
    assert "Traceback" not in err
    return code, lines[0]


def test_help_lists_the_commands_without_importing_what_they_need():
    code = (
        "import sys, orchestrator.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'langgraph', 'pydantic', 'rich', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "solve" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["solve", "evaluate", "grade", "retrieve", "vectors", "models"])
def test_every_command_explains_itself(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Usage:" in out


def test_an_unknown_instance_names_the_nearest_ids(capsys):
    code, line = refused(capsys, "solve", "harborlab__tidetable-24")
    assert code == 2
    assert INSTANCE in line


def test_an_unknown_model_says_which_places_were_tried(capsys, tmp_path):
    code, line = refused(capsys, "solve", INSTANCE, "--model", "no-such/model")
    assert code == 2
    assert "no-such/model" in line
    assert not (tmp_path / "runs").exists()


def test_an_unknown_dataset_is_refused(capsys):
    assert refused(capsys, "retrieve", INSTANCE, "--dataset", "nothing.jsonl")[0] == 2


def row(**changes):
    base = {
        "instance_id": "nobody__nothing-1",
        "repo": "nobody/nothing",
        "base_commit": "0" * 40,
        "problem_statement": "It fails.",
    }
    return json.dumps(base | changes) + "\n"


def test_a_repository_that_cannot_be_had_says_where_it_was_looked_for(capsys, tmp_path, monkeypatch):
    (tmp_path / "rows.jsonl").write_text(row())
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    code, line = refused(
        capsys, "retrieve", "nobody__nothing-1", "--dataset", "rows.jsonl", "--repos", tmp_path
    )
    assert code == 2
    assert str(tmp_path) in line


def test_a_missing_base_commit_is_named(capsys, tmp_path, project):
    (tmp_path / "nobody__nothing").symlink_to(project)
    (tmp_path / "rows.jsonl").write_text(row())
    code, line = refused(capsys, "solve", "nobody__nothing-1", "--dataset", "rows.jsonl", "--repos", tmp_path)
    assert code == 2
    assert "0" * 12 in line


@pytest.mark.parametrize(
    ("statement", "expected"), [("  \n", "empty"), ("x" * (2 << 20), "bytes")], ids=["empty", "2 MB"]
)
def test_a_problem_statement_that_is_empty_or_too_large_is_refused(
    capsys, tmp_path, project, statement, expected
):
    (tmp_path / "problem.txt").write_text(statement)
    code, line = refused(capsys, "solve", "--repo", project, "--problem", "problem.txt")
    assert code == 2
    assert expected in line


def test_a_problem_that_is_not_utf8_is_refused(capsys, tmp_path, project):
    (tmp_path / "problem.txt").write_bytes("Größe".encode("latin-1"))
    code, line = refused(capsys, "solve", "--repo", project, "--problem", "problem.txt")
    assert code == 2
    assert "UTF-8" in line


def test_a_repository_without_python_files_is_refused(capsys, tmp_path, problem):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "README").write_text("nothing\n")
    git(tmp_path, "init", "-q", "bare")
    git(tmp_path / "bare", "add", "-A")
    git(tmp_path / "bare", "commit", "-qm", "Nothing")
    code, line = refused(capsys, "solve", "--repo", "bare", "--problem", problem)
    assert code == 2
    assert "no Python file" in line


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x", "--repo", "."],
        ["--repo", "."],
        [INSTANCE, "--few-shot", "99"],
        [INSTANCE, "--variant", "often"],
    ],
    ids=str,
)
def test_flags_that_do_not_go_together_are_wrong_use(capsys, arguments):
    assert refused(capsys, "solve", *arguments)[0] == 2


def test_run_tests_on_a_repository_without_tests_says_what_was_looked_for(capsys, project, problem):
    code, line = refused(capsys, "solve", "--repo", project, "--problem", problem, "--run-tests")
    assert code == 2
    assert "manage.py" in line and "--test-command" in line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--test-command", "'unbalanced"], "no command"),
        (["--environment", "/no/such/folder"], "no environment"),
        (["--python", "no-such-python"], "no-such-python"),
        (["--subdir", "no/such/folder"], "no Python file"),
    ],
    ids=str,
)
def test_what_is_said_of_ones_own_tests_is_checked_before_anything_runs(
    capsys, project, problem, flags, said
):
    (project / "test_it.py").write_text("def test_it():\n    pass\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Test")
    code, line = refused(capsys, "solve", "--repo", project, "--problem", problem, "--run-tests", *flags)
    assert code == 2
    assert said in line


@pytest.mark.parametrize(
    "flags", [["--python", "3.12"], ["--test-command", "pytest"], ["--environment", "create"]], ids=str
)
def test_what_is_about_ones_own_tests_needs_them_to_be_run(capsys, project, problem, flags):
    code, line = refused(capsys, "solve", "--repo", project, "--problem", problem, *flags)
    assert code == 2 and "--run-tests" in line
    code, line = refused(capsys, "solve", INSTANCE, "--run-tests", *flags)
    assert code == 2 and "--repo" in line


def test_an_issue_that_shares_no_word_with_the_repository_ends_with_a_sentence_and_without_a_patch(
    capsys, project, tiny_model, tmp_path
):
    (tmp_path / "vague.txt").write_text("xyzzy plugh\n")
    given = ["--repo", project, "--problem", "vague.txt", "--model", tiny_model, "--out", tmp_path / "out"]
    code, out, err = run(capsys, "solve", *given, "--json")
    result = json.loads(out)
    assert (code, result["status"], result["patch"], result["files"]) == (1, "no_patch", "", [])
    assert "shares a word" in result["reason"] and "say more" in result["reason"]
    assert "bug_analysis" not in err
    again = run(capsys, "solve", *given)
    assert again[0] == 1 and "shares a word" in "".join(again[1:])


def test_retrieve_says_when_the_order_of_the_files_means_nothing(capsys, tmp_path, project, monkeypatch):
    (tmp_path / "nobody__nothing").symlink_to(project)
    base = git(project, "rev-parse", "HEAD")
    (tmp_path / "rows.jsonl").write_text(row(base_commit=base, problem_statement="xyzzy plugh"))
    given = ["nobody__nothing-1", "--dataset", "rows.jsonl", "--repos", tmp_path]
    code, _, err = run(capsys, "retrieve", *given)
    assert code == 0 and "shares a word" in err


def test_retrieve_prints_one_json_document_with_scores_that_fall(capsys):
    code, out, _ = run(capsys, "retrieve", INSTANCE, "--json", "--top", "3")
    found = json.loads(out)
    assert code == 0
    assert found["hits"][0]["path"] == "tidetable/stats.py"
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert set(found["seconds"]) == {"index", "query"}


def solve_arguments(project, problem, model, out):
    folder = ["--repo", str(project), "--problem", str(problem), "--model", str(model), "--out", str(out)]
    return ["solve", *folder, "--no-rag", "--samples", "2", "--json"]


def test_solve_prints_the_promised_document_and_leaves_its_artifacts(
    capsys, project, problem, tiny_model, tmp_path
):
    code, out, err = run(capsys, *solve_arguments(project, problem, tiny_model, tmp_path / "out"))
    result = json.loads(out)
    assert code == (0 if result["patch"] else 1)
    assert list(result) == [
        "instance_id", "status", "patch", "applies", "parses", "files", "nodes", "artifacts", "graded",
        "stages", "time_bounds", "reason", "shown_by", "still_failing", "uncommitted",
    ]  # fmt: skip
    assert [node["name"] for node in result["nodes"]][:2] == ["code_reading", "bug_analysis"]
    for node in result["nodes"]:
        assert {"name", "steering", "prompt_tokens", "new_tokens", "seconds"} <= set(node)
        assert {"applied", "vector", "layer", "alpha", "mode", "reason"} <= set(node["steering"])
        assert node["steering"]["applied"]
    folder = tmp_path / "out" / result["instance_id"]
    assert json.loads((folder / "result.json").read_text()) == result
    predictions = [
        json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    ]
    assert [set(row) for row in predictions] == [{"instance_id", "model_name_or_path", "model_patch"}]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["determinants"]["rag"] is False
    assert "code_reading: done" in err


def test_changes_that_are_not_committed_are_counted_once_and_not_seen(
    capsys, project, problem, tiny_model, tmp_path
):
    given = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    clean = run(capsys, *given)
    assert json.loads(clean[1])["uncommitted"] == 0 and "not committed" not in clean[2]
    (project / "abacus" / "calc.py").write_text("raise SystemExit\n")
    (project / "abacus" / "new.py").write_text("")
    _, out, err = run(capsys, *given, "--fresh")
    said = "2 files have changes that are not committed (abacus/calc.py, abacus/new.py): not seen here"
    assert err.count("not committed") == 1 and said in err
    assert json.loads(out)["uncommitted"] == 2
    assert comparable(out) == {**comparable(clean[1]), "uncommitted": 2}


def comparable(out):
    """A result without what two equal runs differ in: times and places."""
    result = json.loads(out)
    for node in result["nodes"]:
        del node["seconds"]
    del result["artifacts"], result["stages"]
    return result


@pytest.mark.slow
@pytest.mark.parametrize("node", ["code_reading", "retrieve", "bug_analysis", "patch_writing", "validate"])
def test_a_run_killed_in_any_node_goes_on_with_that_node_and_ends_as_if_it_had_not_been(
    capsys, project, problem, tiny_model, tmp_path, node
):
    _, whole, _ = run(capsys, *solve_arguments(project, problem, tiny_model, tmp_path / "whole"))
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "killed")
    assert ended_at(arguments, f"^{node}: started", signal.SIGKILL)[0] == -signal.SIGKILL
    _, resumed, err = run(capsys, *arguments)
    assert comparable(resumed) == comparable(whole)
    started = [line.split(":")[0] for line in err.splitlines() if ": started" in line]
    order = ["code_reading", "retrieve", "bug_analysis", "patch_writing", "validate"]
    assert started[0] == node
    assert not set(started) & set(order[: order.index(node)]) - {"patch_writing", "validate"}
    assert "going on with an earlier run" in err


def test_ctrl_c_ends_with_130_says_how_to_go_on_and_leaves_a_run_that_does(
    capsys, project, problem, tiny_model, tmp_path
):
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    code, _, rest = ended_at(arguments, "^bug_analysis: started", signal.SIGINT)
    assert code == 130
    assert rest.splitlines()[-1].startswith("interrupted: run the same command again")
    assert "Traceback" not in rest
    assert "code_reading: started" not in run(capsys, *arguments)[2]


def test_a_vector_of_another_model_is_refused_by_name(capsys, tiny_model, tmp_path):
    code, out, _ = run(
        capsys,
        "vectors",
        "extract",
        "code_reading",
        "--model",
        tiny_model,
        "--out",
        tmp_path / "mine",
        "--json",
    )
    (extracted,) = json.loads(out)
    with safe_open(extracted["file"], framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() | {"model_digest": "f" * 64, "model_id": "other/model"}
    save_file(tensors, tmp_path / "other.safetensors", metadata=metadata)
    assert run(capsys, "vectors", "show", extracted["file"], "--model", tiny_model)[0] == 0
    code, line = refused(capsys, "vectors", "show", tmp_path / "other.safetensors", "--model", tiny_model)
    assert code == 2
    assert "other/model" in line


def test_a_finished_run_is_not_run_again_and_other_settings_are_refused(
    capsys, project, problem, tiny_model, tmp_path
):
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    _, first, _ = run(capsys, *arguments)
    _, second, err = run(capsys, *arguments)
    assert second == first
    assert "started" not in err
    code, line = refused(capsys, *arguments, "--seed", "7")
    assert code == 2
    assert "seed is 0 there and 7 here" in line
    assert "started" in run(capsys, *arguments, "--fresh")[2]
