"""`orchestrate evaluate`: what any executor must keep to, and what is written when, on real repositories."""

import json
import signal
import time

import pytest

import orchestrator.batch.work as working
from orchestrator.batch.local import LocalExecutor
from orchestrator.cli import main
from tests.orchestrator.batch.batches import (
    PROBLEMS,
    evaluate_arguments,
    make_tasks,
    predictions,
    work_done,
)
from tests.orchestrator.conftest import ended_at

NAMES = [f"local__abacus-{number}" for number in range(len(PROBLEMS))]


@pytest.fixture(scope="module")
def batch_cache(tmp_path_factory, with_environments):
    cache = tmp_path_factory.mktemp("cache")
    with_environments(cache)
    return cache


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, batch_cache):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(batch_cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("ORCHESTRATE_DTYPE", raising=False)


@pytest.fixture
def tasks(tmp_path):
    return make_tasks(tmp_path / "data")


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def executor(request):
    if request.param == "ray":
        pytest.importorskip("ray", reason="the optional extra ray is not installed")
    return request.param


def run(capsys, arguments):
    """Exit code, the document on stdout, and stderr."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    captured = capsys.readouterr()
    return exit_.value.code or 0, json.loads(captured.out) if captured.out else None, captured.err


def result_of(out, number):
    return json.loads((out / f"local__abacus-{number}" / "result.json").read_text())


def test_any_executor_hands_in_what_one_task_after_another_does_and_runs_nothing_twice(
    capsys, tasks, tiny_model, tmp_path, executor
):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert run(capsys, evaluate_arguments(tasks, tiny_model, alone, "--workers", 1))[0] == 0
    arguments = evaluate_arguments(tasks, tiny_model, together, "--executor", executor)
    code, document, _ = run(capsys, arguments)
    assert code == 0
    assert predictions(together) == predictions(alone)
    assert [json.loads(line)["instance_id"] for line in predictions(together).splitlines()] == NAMES
    (variant,) = document["variants"].values()
    assert (document["n"], variant["n"], variant["failed"]) == (6, 6, 0)
    assert variant["validity"]["n"] == 6 and len(variant["validity"]["ci95"]) == 2
    before = work_done(together)
    assert run(capsys, arguments)[0] == 0
    assert work_done(together) == before


def test_where_all_is_finished_no_executor_is_started(capsys, tasks, tiny_model, tmp_path, monkeypatch):
    arguments = evaluate_arguments(tasks, tiny_model, tmp_path / "out", "--limit", 1)
    document = run(capsys, arguments)[1]
    monkeypatch.setattr(LocalExecutor, "__aenter__", None)  # entering it would raise
    code, again, _ = run(capsys, arguments)
    assert (code, again["variants"]) == (0, document["variants"])


def test_an_instance_that_fails_is_told_with_its_reason_stops_no_other_and_is_tried_again(
    capsys, tmp_path, tiny_model
):
    # Its commit is looked for before any executor is started.
    tasks, out = make_tasks(tmp_path / "data", PROBLEMS[:3], missing=1), tmp_path / "out"
    arguments = evaluate_arguments(tasks, tiny_model, out)
    code, document, err = run(capsys, arguments)
    assert code == 1
    assert document is not None, err
    (failure,) = document["failures"]
    assert failure["instance_id"] == NAMES[1]
    assert "0" * 12 in failure["reason"]
    assert f"1 of 3 failed ({NAMES[1]})" in err.splitlines()[-1]
    assert result_of(out, 1)["status"] == "failed"
    assert [json.loads(line)["instance_id"] for line in predictions(out).splitlines()] == [NAMES[0], NAMES[2]]
    before = work_done(out)
    code, document, err = run(capsys, arguments)
    assert code == 1
    assert document is not None, err
    assert [each["instance_id"] for each in document["failures"]] == [NAMES[1]]
    assert [line for line in err.splitlines() if f" {NAMES[1]} failed" in line]
    kept = {path: seen for path, seen in work_done(out).items() if NAMES[1] not in str(path)}
    assert kept == {path: seen for path, seen in before.items() if NAMES[1] not in str(path)}


def test_other_settings_are_refused_by_name_and_fresh_starts_over(capsys, tasks, tiny_model, tmp_path):
    out = tmp_path / "out"
    arguments = evaluate_arguments(tasks, tiny_model, out, "--limit", 2)
    run(capsys, arguments)
    before = work_done(out)
    code, _, err = run(capsys, [*arguments, "--seed", "7"])
    assert code == 2
    assert "seed is 0 there and 7 here" in err.splitlines()[-1]
    assert work_done(out) == before
    (out / "notes.txt").write_text("mine\n")
    assert run(capsys, [*arguments, "--seed", "7", "--fresh"])[0] == 0
    assert not before.items() <= work_done(out).items()
    assert (out / "notes.txt").read_text() == "mine\n"


def test_a_batch_is_float32_unless_a_dtype_was_chosen_and_then_it_says_what_that_costs(
    capsys, tasks, tiny_model, tmp_path, monkeypatch
):
    arguments = evaluate_arguments(tasks, tiny_model, tmp_path / "a", "--limit", 1)
    _, _, err = run(capsys, arguments)
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["determinants"]["dtype"] == "float32"
    assert "dtype" not in err
    monkeypatch.setenv("ORCHESTRATE_DTYPE", "bfloat16")
    code, _, err = run(capsys, arguments)
    assert code == 2
    assert "dtype is 'float32' there and 'bfloat16' here" in err
    assert "may depend on what shares a batch" in err


def test_variants_have_a_run_folder_each_and_meet_the_same_ranking(capsys, tasks, tiny_model, tmp_path):
    out = tmp_path / "out"
    flags = ["--variant", "adaptive", "--variant", "baseline", "--rag", "--no-rag", "--limit", 2]
    code, document, _ = run(capsys, evaluate_arguments(tasks, tiny_model, out, *flags))
    assert code == 0
    names = [f"tiny-llama-{variant}-{rag}-samples2" for variant in ("adaptive", "baseline") for rag in
             ("rag", "norag")]  # fmt: skip
    assert list(document["variants"]) == names
    for name in names:
        assert len((out / name / "predictions.jsonl").read_text().splitlines()) == 2
        settings = json.loads((out / name / "manifest.json").read_text())["determinants"]
        assert f"{settings['variant']}-{'rag' if settings['rag'] else 'norag'}" in name
    code, _, err = run(capsys, evaluate_arguments(tasks, tiny_model, out, "--limit", 2))
    assert code == 2
    assert "holds several runs" in err


def test_a_result_says_where_its_time_went(capsys, tasks, tiny_model, tmp_path):
    out = tmp_path / "out"
    run(capsys, evaluate_arguments(tasks, tiny_model, out, "--limit", 1))
    result = result_of(out, 0)
    assert set(result["stages"]) == {"code_reading", "retrieve", "bug_analysis", "patch_writing", "validate"}
    assert result["time_bounds"] == []


def test_a_limit_on_time_that_decided_something_is_in_the_result(capsys, tmp_path, tiny_model, monkeypatch):
    tasks, out = make_tasks(tmp_path / "data", PROBLEMS[:1]), tmp_path / "out"
    row = json.loads(tasks.read_text()) | {"test_cmd": "python -c 'import time; time.sleep(60)'"}
    tasks.write_text(json.dumps(row) + "\n")
    monkeypatch.setattr("orchestrator.task.solve.TEST_TIMEOUT_S", 0.5)
    monkeypatch.setattr("orchestrator.task.nodes.validate.MAX_TESTED", 1)
    _, document, _ = run(capsys, evaluate_arguments(tasks, tiny_model, out, "--run-tests"))
    assert "did not end within 0.5 s" in result_of(out, 0)["time_bounds"][0]
    (variant,) = document["variants"].values()
    assert variant["time_bounds_hit"] == 1


def test_a_task_that_takes_too_long_fails_and_the_others_go_on(
    capsys, tasks, tiny_model, tmp_path, monkeypatch
):
    real = working.task_job

    def stuck(session, config, task, *more):
        if task.instance_id == NAMES[0]:
            time.sleep(3)
        return real(session, config, task, *more)

    monkeypatch.setattr(working, "task_job", stuck)
    arguments = evaluate_arguments(tasks, tiny_model, tmp_path / "out", "--limit", 1, "--timeout", 1)
    code, document, _ = run(capsys, arguments)
    assert code == 1
    assert document["failures"][0]["reason"] == "not done within 1 s (--timeout)"


def test_what_nobody_foresaw_leaves_its_traceback_and_stops_no_other(
    capsys, tasks, tiny_model, tmp_path, monkeypatch
):
    real = working.task_job

    def exhausted(session, config, task, *more):
        if task.instance_id == NAMES[1]:
            raise MemoryError("no room")
        return real(session, config, task, *more)

    monkeypatch.setattr(working, "task_job", exhausted)
    out = tmp_path / "out"
    code, document, _ = run(capsys, evaluate_arguments(tasks, tiny_model, out, "--limit", 3))
    assert code == 1
    assert [each["reason"] for each in document["failures"]] == ["MemoryError: no room; see error.txt"]
    assert "exhausted" in (out / NAMES[1] / "error.txt").read_text()
    assert len(predictions(out).splitlines()) == 2


def test_an_engine_that_a_fault_has_closed_is_opened_anew_for_the_next_task(
    capsys, tasks, tiny_model, tmp_path, monkeypatch
):
    from vectors.engine.scheduler import Scheduler

    real, calls = Scheduler.step, []

    def broken(self):
        calls.append(self)
        if len(calls) == 3:
            raise RuntimeError("the processor is on fire")
        return real(self)

    monkeypatch.setattr(Scheduler, "step", broken)
    out = tmp_path / "out"
    arguments = evaluate_arguments(tasks, tiny_model, out, "--limit", 3, "--workers", 1)
    code, document, _ = run(capsys, arguments)
    assert code == 1
    assert [each["instance_id"] for each in document["failures"]] == [NAMES[0]]
    assert "the processor is on fire" in document["failures"][0]["reason"]
    assert run(capsys, arguments)[0] == 0


def test_ctrl_c_ends_with_130_and_what_was_finished_stays(tasks, tiny_model, tmp_path):
    out = tmp_path / "out"
    arguments = evaluate_arguments(tasks, tiny_model, out, "--workers", 2)
    code, printed, rest = ended_at(arguments, " (patched|no_patch) in ", signal.SIGINT)
    assert code == 130
    assert printed == ""
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].startswith("interrupted: run the same command again")
    assert 0 < len(predictions(out).splitlines()) < len(NAMES)


@pytest.mark.parametrize(
    "more",
    [["--limit", "1", "--instances", "x"], ["--limit", "0"], ["--executor", "slurm"], ["--instances", " "]],
    ids=str,
)
def test_flags_that_make_no_batch_are_wrong_use(capsys, tasks, tiny_model, tmp_path, more):
    code, document, err = run(capsys, evaluate_arguments(tasks, tiny_model, tmp_path / "out", *more))
    assert code == 2
    assert document is None
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_two_batches_do_not_write_into_one_folder(capsys, tasks, tiny_model, tmp_path):
    from orchestrator.task.solve import claimed

    out = tmp_path / "out"
    out.mkdir()
    with claimed(out, "evaluate"):
        code, _, err = run(capsys, evaluate_arguments(tasks, tiny_model, out, "--limit", 1))
    assert code == 1
    assert "by another process" in err.splitlines()[-1]


def test_the_bench_does_the_same_tasks_both_ways_and_says_where_the_time_goes(capsys, tasks, tiny_model):
    flags = ["--dataset", tasks, "--repos", tasks.parent / "repos", "--model", tiny_model, "--limit", 2]
    code, document, _ = run(capsys, ["bench", "evaluate", *map(str, flags), "--workers", "2", "--json"])
    assert code == 0
    assert (document["n"], document["same_predictions"], document["dtype"]) == (2, True, "float32")
    one, many = document["one_by_one"], document["many_at_once"]
    assert (one["workers"], many["workers"], many["failed"]) == (1, 2, 0)
    assert abs(sum(stage["share"] for stage in many["stages"].values()) - 1) < 0.01
    assert document["ratio"] > 0
    for arm in (one, many):
        assert 0 <= arm["engine"]["in_passes"] <= 1 and 0 <= arm["processor"] <= 1
        assert arm["engine"]["rows_a_pass"] >= 1 and arm["engine"]["computed_tokens"] > 0
