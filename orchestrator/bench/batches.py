"""How much faster many tasks at once are than the same one by one, and where the rest of the time goes."""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.batch.evaluate import evaluate
from orchestrator.batch.ledger import Ledger
from orchestrator.batch.local import LocalExecutor
from orchestrator.batch.units import runs_of
from orchestrator.events import Emit, told
from orchestrator.policy.decisions import Record
from orchestrator.run_config import RunConfig
from orchestrator.session import Session, machine_facts
from orchestrator.settings import Settings
from swebench.data.loading import InstanceSet
from swebench.data.tasks import Task
from vectors.engine.scheduler import Counts


@dataclass(frozen=True)
class Batch:
    """The tasks of a data set that are done, with these settings and in this configuration."""

    settings: Settings
    found: InstanceSet
    tasks: Sequence[Task]
    config: RunConfig


class StageShare(Record):
    """Task seconds of a stage, and their share of all task seconds."""

    seconds: float
    share: float


class EngineWork(Record):
    """What the engine did; `in_passes` is the share of the wall time that it spent inside the model."""

    in_passes: float
    rows_a_pass: float
    computed_tokens: int
    reused_tokens: int
    tokens_per_pass_second: float


class ArmReport(Record):
    """One way of doing all the tasks; `processor` is the share of all processors' time that it used."""

    workers: int
    seconds: float
    tasks_per_hour: float
    failed: int
    stages: dict[str, StageShare]
    processor: float
    engine: EngineWork


class BatchReport(Record):
    """Both ways, how many times faster the second is, and whether they hand in the same."""

    dataset: str
    n: int
    model: str
    dtype: str
    one_by_one: ArmReport
    many_at_once: ArmReport
    ratio: float
    same_predictions: bool


@dataclass(frozen=True)
class Arm:
    """One way of doing all the tasks: seconds of wall time and of the processor, task seconds by stage, and
    what the engine did in that time.
    """

    workers: int
    n: int
    seconds: float
    failed: int
    stages: dict[str, float]
    processor_seconds: float
    counts: Counts
    predictions: bytes

    def report(self) -> ArmReport:
        """Rounded, with shares of all that was spent."""
        total = sum(self.stages.values()) or 1.0
        return ArmReport(
            workers=self.workers,
            seconds=round(self.seconds, 1),
            tasks_per_hour=round(3600 * self.n / self.seconds, 1),
            failed=self.failed,
            stages={
                name: StageShare(seconds=round(seconds, 1), share=round(seconds / total, 3))
                for name, seconds in sorted(self.stages.items())
            },
            processor=round(self.processor_seconds / self.seconds / (os.cpu_count() or 1), 3),
            engine=EngineWork(
                in_passes=round(self.counts.pass_seconds / self.seconds, 3),
                rows_a_pass=round(self.counts.pieces / (self.counts.passes or 1), 1),
                computed_tokens=round(self.counts.computed_tokens),
                reused_tokens=round(self.counts.reused_tokens),
                tokens_per_pass_second=round(
                    self.counts.computed_tokens / (self.counts.pass_seconds or 1), 1
                ),
            ),
        )


def measure(batch: Batch, workers: int, emit: Emit) -> BatchReport:
    """Do the tasks one by one and then `workers` at once, each on a new engine and with warm indexes."""
    one, many = (_arm(batch, each, emit) for each in (1, workers))
    return compared(batch, one, many)


def compared(batch: Batch, one: Arm, many: Arm) -> BatchReport:
    """Both ways, how many times faster the second is, and whether they hand in the same."""
    return BatchReport(
        dataset=batch.found.name,
        n=len(batch.tasks),
        model=batch.settings.model,
        dtype=batch.settings.dtype,
        one_by_one=one.report(),
        many_at_once=many.report(),
        ratio=round(one.seconds / many.seconds, 2),
        same_predictions=one.predictions == many.predictions,
    )


def _arm(batch: Batch, workers: int, emit: Emit) -> Arm:
    found, tasks = batch.found, batch.tasks
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(batch.settings, progress=told(emit)) as session,
    ):
        for task in tasks:
            repository = session.store.open(task.repo)
            session.retriever(repository).index(task.base_commit)
        (run,) = runs_of(session, found, [batch.config], [Path(folder)])
        ledger = Ledger(run, list(found.instances), machine_facts())
        seconds, processor_seconds = asyncio.run(_timed(session, ledger, tasks, workers, emit))
        results = ledger.results.values()
        predictions = Path(folder, "predictions.jsonl")
        return Arm(
            workers=workers,
            n=len(tasks),
            seconds=seconds,
            failed=len(tasks) - len(ledger.finished),
            stages={
                name: sum(result.stages.get(name, 0.0) for result in results)
                for name in {name for result in results for name in result.stages}
            },
            processor_seconds=processor_seconds,
            counts=session.engine.stats().done,
            predictions=predictions.read_bytes() if predictions.exists() else b"",
        )


async def _timed(
    session: Session, ledger: Ledger, tasks: Sequence[Task], workers: int, emit: Emit
) -> tuple[float, float]:
    """Seconds of wall time and of the processor that the tasks alone take."""
    executor = LocalExecutor(session, [ledger.run], workers)
    session.open_engine()
    started, used = time.perf_counter(), time.process_time()
    await evaluate([ledger], tasks, executor, emit)
    return time.perf_counter() - started, time.process_time() - used
