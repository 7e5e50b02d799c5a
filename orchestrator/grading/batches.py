"""Grading what a batch has handed in: each verdict is added to its instance's result as it comes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Literal

from orchestrator.batch.ledger import Ledger
from orchestrator.grading.grade import grade_all, grade_in_containers
from orchestrator.session import Session
from swebench.data.predictions import read_predictions
from swebench.data.tasks import Instance

Backend = Literal["local", "docker"]


def grade_batch(
    session: Session,
    ledgers: Sequence[Ledger],
    instances: Sequence[Instance],
    backend: Backend,
    progress: Callable[[str, int, int], None],
) -> None:
    """Grade the finished instances that this backend has not graded yet.

    Raises NotGradeable when no row says how its tests are run, EnvironmentUnavailable without an engine.
    """
    for ledger in ledgers:
        due = [each for each in instances if _due(ledger, each.instance_id, backend)]
        if not due:
            continue
        predictions = read_predictions(ledger.run.folder / "predictions.jsonl")
        if backend == "docker":
            outcomes = grade_in_containers(session, due, predictions)
        else:
            outcomes = grade_all(session, due, predictions)
        progress(f"grading {ledger.run.name}", 0, len(due))
        for number, (name, outcome) in enumerate(outcomes, 1):
            verdict = asdict(outcome) | {"certified": bool(outcome.certified), "backend": backend}
            ledger.grade(name, verdict)
            progress(f"grading {ledger.run.name}: {name}: {outcome.reason}", number, number)


def _due(ledger: Ledger, name: str, backend: Backend) -> bool:
    graded = ledger.results[name]["graded"] if name in ledger.finished else {"backend": backend}
    return not graded or graded.get("backend") != backend
