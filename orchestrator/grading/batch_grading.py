"""Grading what a batch has handed in: each verdict is added to its instance's result as it comes."""

from collections.abc import Sequence

from orchestrator.batch.ledger import Ledger
from orchestrator.grading.grade import grade_all, grade_in_containers
from orchestrator.records import Backend
from orchestrator.session import Session
from swebench.data.predictions import read_predictions
from swebench.data.tasks import Instance
from vectors.progress import Progress


def grade_batch(
    session: Session,
    ledgers: Sequence[Ledger],
    instances: Sequence[Instance],
    backend: Backend,
    progress: Progress,
) -> None:
    """Grade the finished instances that this backend has not graded yet, or for which nothing could be run.

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
            ledger.grade(name, outcome.model_copy(update={"backend": backend}))
            progress(f"grading {ledger.run.name}: {name}: {outcome.reason}", number, number)


def _due(ledger: Ledger, name: str, backend: Backend) -> bool:
    if name not in ledger.finished:
        return False
    graded = ledger.results[name].graded
    return graded is None or graded.certified is None or graded.backend != backend
