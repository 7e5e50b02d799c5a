"""What a batch consists of: runs, one for each variant, and units of work, one task of one run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from orchestrator.errors import ConfigError
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.run_names import run_name
from swebench.data.loading import InstanceSet
from swebench.data.tasks import Task


@dataclass(frozen=True)
class Run:
    """One variant of a batch and the folder that holds it; `made_by` names its predictions.

    `determinants` are what its manifest holds: whoever works on it must have the same.
    """

    name: str
    folder: Path
    config: RunConfig
    dataset: str
    fingerprint: str
    made_by: str
    determinants: dict[str, JsonValue] = field(repr=False)


@dataclass(frozen=True)
class Unit:
    """One task of one run. It can be sent to another machine, and holds no gold column."""

    run: Run
    task: Task


def choose(found: InstanceSet, limit: int | None, wanted: Sequence[str] | None) -> list[Task]:
    """The tasks to work on, in the data set's order: the first `limit`, or those of the ids in `wanted`.

    Raises UnknownInstance; ConfigError for an empty list.
    """
    if wanted is None:
        return [instance.task for instance in list(found.instances.values())[:limit]]
    chosen = {found.get(name).instance_id for name in wanted}
    if not chosen:
        raise ConfigError("the list of instances is empty: name at least one id")
    return [instance.task for name, instance in found.instances.items() if name in chosen]


def runs_of(
    session: Session, found: InstanceSet, configs: Sequence[RunConfig], folders: Sequence[Path]
) -> list[Run]:
    """One run for each config in its folder. Loads the model, which its manifest names."""
    from orchestrator.task.solve import made_by

    return [
        Run(
            name=run_name(session.settings.model, config),
            folder=folder,
            config=config,
            dataset=found.name,
            fingerprint=found.fingerprint,
            made_by=made_by(session, config),
            determinants=session.determinants(config, found.name, found.fingerprint),
        )
        for config, folder in zip(configs, folders, strict=True)
    ]
