"""Grading a file of predictions, or the gold patches themselves, instance by instance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from orchestrator.errors import ConfigError
from orchestrator.plugins import load_instances
from orchestrator.policy.decisions import Record
from orchestrator.records import Backend, Graded
from orchestrator.session import Session
from orchestrator.task.verdict import verdict_on
from swebench.data.predictions import Prediction, read_predictions
from swebench.data.tasks import Instance
from swebench.errors import SwebenchError
from swebench.grading.verdicts import TIMEOUT_S, ensure_gradeable


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
    for instance in instances:
        name = instance.instance_id
        if error := refused[name]:
            yield name, Graded(resolved=False, reason=str(error.args[0]))
            continue
        patch = None if predictions is None else predictions[name].model_patch
        yield name, verdict_on(session, instance, patch, fresh=fresh)


def grade_in_containers(
    session: Session, instances: Sequence[Instance], predictions: Mapping[str, Prediction]
) -> Iterator[tuple[str, Graded]]:
    """Grade by the official harness; its own environments are the reference, so they certify themselves.

    Raises EnvironmentUnavailable when no container engine answers.
    """
    from swebench.grading.docker import lacking, run_harness

    verdicts = run_harness(session.settings.cache, instances, predictions, TIMEOUT_S)
    for instance in instances:
        verdict = verdicts.get(instance.instance_id)
        if verdict is None:
            columns = ", ".join(lacking(instance))
            reason = f"its row has no {columns}, which the harness needs" if columns else "it made no report"
            yield instance.instance_id, Graded(resolved=False, reason=reason)
            continue
        graded = Graded(
            resolved=verdict.resolved,
            certified=True,
            applied=verdict.applied,
            reason=verdict.reason,
            infrastructure=verdict.infrastructure,
        )
        yield instance.instance_id, graded


class GradedAgainst(Record):
    """The data set of some verdicts: as it was named, where it came from with its split, and its hash."""

    name: str
    source: str
    sha256: str


class GradeSummary(Record):
    """The document of `grade --json`: n instances, how many are certified, and resolved among those."""

    dataset: GradedAgainst
    n: int
    resolved: int
    certified: int
    instances: dict[str, Graded]

    @property
    def any_ran(self) -> bool:
        """Whether there was an instance whose tests could be run, or none to grade at all."""
        return not self.instances or any(each.certified is not None for each in self.instances.values())

    def document(self) -> dict[str, JsonValue]:
        """Plain data for JSON; an instance whose tests could not be run is not certified."""
        certified = {name: bool(each.certified) for name, each in self.instances.items()}
        found = {name: each.model_dump(mode="json") for name, each in self.instances.items()}
        instances = {name: each | {"certified": certified[name]} for name, each in found.items()}
        return self.model_dump(mode="json", exclude={"instances"}) | {"instances": instances}


@dataclass(frozen=True)
class Grading:
    """What is to be graded: the predictions of a file, or without one the gold patches; of all its instances,
    or those in `wanted`. `fresh` makes certificates anew."""

    dataset: str
    file: Path | None
    wanted: Sequence[str] | None = None
    backend: Backend = "local"
    fresh: bool = False


def grade_predictions(session: Session, asked: Grading) -> GradeSummary:
    """Grade what is asked for, one instance after another.

    Raises ConfigError for an instance without a prediction, UnknownInstance, InvalidRow, NotGradeable,
    EnvironmentUnavailable where no container engine answers.
    """
    if asked.backend == "docker":
        from swebench.grading.docker import ensure_engine

        ensure_engine()
    found = load_instances(asked.dataset, cache=session.settings.cache, progress=session.progress)
    predictions = read_predictions(asked.file) if asked.file else None
    wanted = asked.wanted or list([*found.instances, *found.faults] if predictions is None else predictions)
    chosen = [found.get(name) for name in wanted if name not in found.faults]
    if predictions is not None and (missing := [name for name in wanted if name not in predictions]):
        raise ConfigError(f"{asked.file} has no prediction for {', '.join(missing)[:300]}: leave them out")
    if asked.backend == "docker":
        outcomes = grade_in_containers(session, chosen, predictions or {})
    else:
        outcomes = grade_all(session, chosen, predictions, fresh=asked.fresh)
    graded = {
        name: Graded(resolved=False, reason=str(found.faults[name]))
        for name in wanted
        if name in found.faults
    }
    session.progress("instances", 0, len(chosen))
    for name, outcome in outcomes:
        graded[name] = outcome
        session.progress(f"{name}: {outcome.reason}", len(graded), len(graded))
    counted = [outcome for outcome in graded.values() if outcome.counts]
    return GradeSummary(
        dataset=GradedAgainst(name=found.name, source=found.source, sha256=found.fingerprint),
        n=len(graded),
        resolved=sum(outcome.resolved for outcome in counted),
        certified=len(counted),
        instances=graded,
    )


def _refusal(instance: Instance) -> SwebenchError | None:
    try:
        ensure_gradeable(instance)
    except SwebenchError as error:
        return error
    return None
