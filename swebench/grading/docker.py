"""Grading by the official harness in its own containers, where a container engine answers."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from swebench.data.predictions import Prediction
from swebench.data.tasks import Instance
from swebench.errors import EnvironmentUnavailable
from swebench.grading.official.client import Official
from swebench.grading.verdicts import Verdict
from swebench.running.venvs import pip_environment


def ensure_engine() -> None:
    """Raise EnvironmentUnavailable, with what the engine's client says, unless an engine answers."""
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        answers = done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, answers = str(error), False
    if not answers:
        raise EnvironmentUnavailable(
            f"no Docker engine answers ({said[:200]}): start one, or grade with --backend local"
        )


def run_harness(
    cache: Path, instances: Sequence[Instance], predictions: Mapping[str, Prediction], timeout_s: float
) -> dict[str, Verdict]:
    """The official verdict on each instance whose patch the harness ran, by instance id.

    Rows without the columns that it needs, those of the data sets' newer revisions, are left out. Raises
    EnvironmentUnavailable when no engine answers or the harness fails.
    """
    ensure_engine()
    instances = [instance for instance in instances if not lacking(instance)]
    if not instances:
        return {}
    python = Official(cache).harness()
    with tempfile.TemporaryDirectory(prefix="harness-") as temporary:
        folder = Path(temporary)
        _write_lines(folder / "rows.jsonl", [_row(instance) for instance in instances])
        chosen = [asdict(predictions[instance.instance_id]) for instance in instances]
        _write_lines(folder / "predictions.jsonl", chosen)
        done = subprocess.run(
            [
                *(python, "-I", "-m", "swebench.harness.run_evaluation", "--run_id", "grade"),
                *("--dataset_name", "rows.jsonl", "--predictions_path", "predictions.jsonl"),
                *("--max_workers", "1", "--timeout", str(int(timeout_s))),
            ],
            cwd=folder,
            env=pip_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EnvironmentUnavailable(f"the official harness failed: {last[:300]}")
        return {
            name: _verdict(report)
            for path in folder.glob("logs/run_evaluation/grade/*/*/report.json")
            for name, report in json.loads(path.read_text("utf-8")).items()
        }


def lacking(instance: Instance) -> list[str]:
    """The columns that the official harness needs of a row and that this one does not have."""
    columns = ("image", "eval_script", "log_parser", "eval_type")
    return [name for name in columns if not getattr(instance, name)]


def _verdict(report: Mapping[str, object]) -> Verdict:
    """The harness keeps times and logs to itself."""
    resolved, fault = bool(report["resolved"]), str(report.get("infra_failure_reason") or "")
    tier = "environment" if report.get("infra_failure") else "ambiguous"
    return Verdict(
        resolved,
        bool(report["patch_successfully_applied"]),
        {},
        {},
        "all tests pass" if resolved else "not resolved",
        0.0,
        "",
        infrastructure=f"{fault} ({tier})" if fault else "",
    )


def _write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _row(instance: Instance) -> dict[str, object]:
    return asdict(instance.task) | {
        "patch": instance.patch,
        "test_patch": instance.test_patch,
        "hints_text": instance.hints_text,
        "image": instance.image,
        "eval_script": instance.eval_script,
        "log_parser": instance.log_parser,
        "eval_type": instance.eval_type,
        "FAIL_TO_PASS": json.dumps(instance.fail_to_pass),
        "PASS_TO_PASS": json.dumps(instance.pass_to_pass),
    }
