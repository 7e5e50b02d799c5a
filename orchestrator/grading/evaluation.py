"""Many tasks from what a user names to a summary: what `evaluate` does, with the grading that may follow."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.batch.executors import GROUP, executor_for, executor_plugin, workers_of
from orchestrator.batch.folders import folders_of
from orchestrator.batch.units import Chosen, choose, runs_of
from orchestrator.events import Emit
from orchestrator.plugins import load_instances
from orchestrator.records import Backend
from orchestrator.run_config import RunConfig
from orchestrator.session import Session, machine_facts
from orchestrator.task.planted import ready
from retrieval.errors import RetrievalError
from swebench.data.tasks import Task
from swebench.errors import SwebenchError
from swebench.grading.docker import ensure_engine
from vectors.plugins import origin

if TYPE_CHECKING:
    from orchestrator.batch.summary import Summary


@dataclass(frozen=True)
class Batch:
    """What is to be done: the instances of a data set (the first `limit`, or those in `wanted`), under each
    config, written to `out`; by which executor, how many at once, within `timeout_s` each.

    `grade` says whose hidden tests are run afterwards; `fresh` starts over instead of doing what is missing.
    """

    dataset: str
    configs: Sequence[RunConfig]
    limit: int | None = None
    wanted: Sequence[str] | None = None
    out: Path | None = None
    executor: str = "local"
    workers: int | None = None
    timeout_s: float | None = None
    grade: Backend | None = None
    fresh: bool = False


def evaluate_batch(session: Session, batch: Batch, emit: Emit) -> "Summary":
    """Do what is missing of a batch and sum up all of it.

    Raises UnknownInstance, ConfigError, MixedRunError, AlreadyRunning, PluginError, and with grading
    NotGradeable and EnvironmentUnavailable.
    """
    started = time.monotonic()
    if batch.grade == "docker":
        ensure_engine()
    workers = workers_of(batch.executor, batch.workers)
    found = load_instances(batch.dataset, cache=session.settings.cache, progress=session.progress)
    chosen = choose(found, batch.limit, batch.wanted)
    tasks = _ready(session, chosen)
    # These take seconds: wrong input has been told by now.
    from orchestrator.batch.evaluate import evaluate
    from orchestrator.batch.ledger import Ledger
    from orchestrator.batch.summary import summary
    from orchestrator.batch.work import failed
    from orchestrator.grading.batch_grading import grade_batch
    from orchestrator.task.solve import claimed

    out, folders = folders_of(batch.out, session.settings, found.name, batch.configs)
    runs = runs_of(session, found, batch.configs, folders)
    facts = machine_facts() | {
        "executor": batch.executor,
        "workers": workers,
        "dataset_source": found.source,
    }
    if entry := executor_plugin(batch.executor):
        facts["plugins"] = {f"{GROUP}: {entry.name}": origin(entry)}
    out.mkdir(parents=True, exist_ok=True)
    with claimed(out, "evaluate"):
        ledgers = [Ledger(run, [*found.instances, *found.faults], facts, fresh=batch.fresh) for run in runs]
        for ledger in ledgers:
            for name, reason in chosen.faults.items():
                ledger.write(failed(name, ledger.run.folder, reason))
        executor = executor_for(batch.executor, session, runs, workers, batch.timeout_s)
        asyncio.run(evaluate(ledgers, tasks, executor, emit))
        if batch.grade:
            grade_batch(session, ledgers, chosen.instances, batch.grade, session.progress)
        return summary(
            ledgers,
            [*(task.instance_id for task in tasks), *chosen.faults],
            out=out,
            executor=batch.executor,
            workers=workers,
            seconds=time.monotonic() - started,
        )


def _ready(session: Session, chosen: Chosen) -> list[Task]:
    """The tasks of the chosen instances; one whose base commit cannot be made joins those with faults."""
    tasks = []
    for instance in chosen.instances:
        try:
            tasks.append(ready(session, instance).task)
        except (RetrievalError, SwebenchError) as error:
            chosen.faults[instance.instance_id] = str(error.args[0])
    return tasks
