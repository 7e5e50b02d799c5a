"""What a batch consists of: runs, one for each variant, and units of work, one task of one run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from orchestrator.errors import ConfigError
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.run_names import run_name
from swebench.data.loading import InstanceSet
from swebench.data.tasks import Instance, Task


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


class Chosen(NamedTuple):
    """The instances to work on, and why others that were asked for cannot be, by id."""

    instances: list[Instance]
    faults: dict[str, str]


def choose(found: InstanceSet, limit: int | None, wanted: Sequence[str] | None) -> Chosen:
    """The instances to work on, in the data set's order: the first `limit`, those in `wanted` by id, or all.

    Raises UnknownInstance; ConfigError for an empty list.
    """
    if limit is not None:
        return Chosen(list(found.instances.values())[:limit], {})
    if wanted is None:
        return Chosen(list(found.instances.values()), _told(found, found.faults))
    if not wanted:
        raise ConfigError("the list of instances is empty: name at least one id")
    chosen = {found.get(name).instance_id for name in wanted if name not in found.faults}
    instances = [instance for name, instance in found.instances.items() if name in chosen]
    return Chosen(instances, _told(found, wanted))


def _told(found: InstanceSet, names: Iterable[str]) -> dict[str, str]:
    return {name: str(found.faults[name]) for name in names if name in found.faults}


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
