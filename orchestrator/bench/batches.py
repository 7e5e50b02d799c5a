"""How much faster many tasks at once are than the same one by one, and where the rest of the time goes."""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.batch.evaluate import evaluate
from orchestrator.batch.ledger import Ledger
from orchestrator.batch.local import LocalExecutor
from orchestrator.batch.units import runs_of
from orchestrator.events import Emit, told
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.data.loading import InstanceSet
from swebench.data.tasks import Task
from vectors.engine.scheduler import Counts


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

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the stages' shares of all task seconds.

        `processor` is the share of all processors' time that this process used, and `in_passes` the share of
        the wall time that the engine spent inside the model.
        """
        total = sum(self.stages.values()) or 1.0
        return {
            "workers": self.workers,
            "seconds": round(self.seconds, 1),
            "tasks_per_hour": round(3600 * self.n / self.seconds, 1),
            "failed": self.failed,
            "stages": {
                name: {"seconds": round(seconds, 1), "share": round(seconds / total, 3)}
                for name, seconds in sorted(self.stages.items())
            },
            "processor": round(self.processor_seconds / self.seconds / (os.cpu_count() or 1), 3),
            "engine": {
                "in_passes": round(self.counts.pass_seconds / self.seconds, 3),
                "rows_a_pass": round(self.counts.pieces / (self.counts.passes or 1), 1),
                "computed_tokens": round(self.counts.computed_tokens),
                "reused_tokens": round(self.counts.reused_tokens),
                "tokens_per_pass_second": round(
                    self.counts.computed_tokens / (self.counts.pass_seconds or 1), 1
                ),
            },
        }


def measure(
    settings: Settings,
    found: InstanceSet,
    tasks: Sequence[Task],
    config: RunConfig,
    workers: int,
    emit: Emit,
) -> dict[str, Any]:
    """Do the tasks one by one and then `workers` at once, each on a new engine and with warm indexes."""
    one, many = (_arm(settings, found, tasks, config, each, emit) for each in (1, workers))
    return {
        "dataset": found.name,
        "n": len(tasks),
        "model": settings.model,
        "dtype": settings.dtype,
        **compared(one, many),
    }


def compared(one: Arm, many: Arm) -> dict[str, Any]:
    """Both ways, how many times faster the second is, and whether they hand in the same."""
    return {
        "one_by_one": one.as_dict(),
        "many_at_once": many.as_dict(),
        "ratio": round(one.seconds / many.seconds, 2),
        "same_predictions": one.predictions == many.predictions,
    }


def _arm(
    settings: Settings,
    found: InstanceSet,
    tasks: Sequence[Task],
    config: RunConfig,
    workers: int,
    emit: Emit,
) -> Arm:
    with tempfile.TemporaryDirectory() as folder, Session(settings, progress=told(emit)) as session:
        for task in tasks:
            repository = session.store.open(task.repo)
            session.retriever(repository).index(task.base_commit)
        (run,) = runs_of(session, found, [config], [Path(folder)])
        ledger = Ledger(run, list(found.instances), session.facts())
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
    async with LocalExecutor(session, [ledger.run], workers) as executor:
        started, used = time.perf_counter(), time.process_time()
        await evaluate([ledger], tasks, executor, emit)
        return time.perf_counter() - started, time.process_time() - used
