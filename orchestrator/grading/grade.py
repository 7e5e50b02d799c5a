"""Grading a file of predictions, or the gold patches themselves, instance by instance.

An instance counts only where its certificate says that its tests tell the gold patch from none here. What the
machine lacks for an instance is that instance's reason and stops no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.records import Graded
from orchestrator.session import Session
from retrieval.errors import RetrievalError
from swebench.data.predictions import Prediction
from swebench.data.tasks import Instance
from swebench.errors import SwebenchError
from swebench.grading.certificates import Certificates
from swebench.grading.verdicts import TIMEOUT_S, ensure_gradeable, grade


def grade_all(
    session: Session,
    instances: Sequence[Instance],
    predictions: Mapping[str, Prediction] | None,
    *,
    fresh: bool = False,
) -> Iterator[tuple[str, Graded]]:
    """Grade the predictions of these instances, or with None their gold patches, one after another.

    Raises NotGradeable before anything is run when no row says how its tests are run.
    """
    refused = {instance.instance_id: _refusal(instance) for instance in instances}
    if instances and all(refused.values()):
        raise next(error for error in refused.values() if error)
    store = Certificates(session.settings.cache)
    for instance in instances:
        patch = None if predictions is None else predictions[instance.instance_id].model_patch
        try:
            if error := refused[instance.instance_id]:
                raise error
            yield instance.instance_id, _grade(session, store, instance, patch, fresh)
        except (SwebenchError, RetrievalError) as failed:
            yield instance.instance_id, Graded(resolved=False, applied=False, reason=str(failed.args[0]))


def grade_in_containers(
    session: Session, instances: Sequence[Instance], predictions: Mapping[str, Prediction]
) -> Iterator[tuple[str, Graded]]:
    """Grade by the official harness; its own environments are the reference, so they certify themselves.

    Raises EnvironmentUnavailable when no container engine answers.
    """
    from swebench.grading.docker import run_harness

    verdicts = run_harness(session.settings.cache, instances, predictions, TIMEOUT_S)
    for instance in instances:
        verdict = verdicts.get(instance.instance_id)
        if verdict is None:
            yield (
                instance.instance_id,
                Graded(resolved=False, applied=False, reason="the harness made no report"),
            )
            continue
        yield (
            instance.instance_id,
            Graded(resolved=verdict.resolved, certified=True, applied=verdict.applied, reason=verdict.reason),
        )


def summary(graded: Mapping[str, Graded]) -> dict[str, Any]:
    """The document of `grade --json`: n instances, how many are certified, and resolved among those."""
    counted = [outcome for outcome in graded.values() if outcome.certified]
    return {
        "n": len(graded),
        "resolved": sum(outcome.resolved for outcome in counted),
        "certified": len(counted),
        "instances": {
            name: outcome.model_dump(mode="json") | {"certified": bool(outcome.certified)}
            for name, outcome in graded.items()
        },
    }


def _refusal(instance: Instance) -> SwebenchError | None:
    try:
        ensure_gradeable(instance)
    except SwebenchError as error:
        return error
    return None


def _grade(
    session: Session, store: Certificates, instance: Instance, patch: str | None, fresh: bool
) -> Graded:
    git = session.store.open(instance.repo).git
    found = store.of(instance, git, test_bed=session.test_bed, timeout_s=TIMEOUT_S, fresh=fresh)
    if patch is None:
        return Graded(
            resolved=found.gold_resolves,
            certified=found.certified,
            applied=True,
            reason=found.reason,
            seconds=round(found.seconds, 1),
        )
    if not patch.strip():
        return Graded(resolved=False, certified=found.certified, applied=False, reason="the patch is empty")
    verdict = grade(instance, git, patch, test_bed=session.test_bed)
    reason = verdict.reason if found.certified else f"{verdict.reason}; {found.reason}"
    return Graded(
        resolved=verdict.resolved,
        certified=found.certified,
        applied=verdict.applied,
        reason=reason,
        seconds=round(verdict.seconds, 1),
    )
