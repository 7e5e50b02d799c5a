"""How much faster many tasks at once are than the same one by one, and where the rest of the time goes."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import events
from orchestrator.batch.evaluate import evaluate
from orchestrator.batch.ledger import Ledger
from orchestrator.batch.local import LocalExecutor
from orchestrator.batch.units import runs_of
from orchestrator.settings import RunConfig, Settings
from orchestrator.workbench import Workbench
from swebench.loading import InstanceSet
from swebench.tasks import Task

_LOOK_S = 0.05


@dataclass(frozen=True)
class Arm:
    """One way of doing all the tasks: wall time in seconds, task seconds by stage, and the engine's use.

    `busy` is the share of the time in which the engine had rows, `rows` how many it then had on average.
    """

    workers: int
    n: int
    seconds: float
    failed: int
    stages: dict[str, float]
    busy: float
    rows: float
    predictions: bytes

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the stages' shares of all task seconds."""
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
            "engine": {"busy": round(self.busy, 3), "rows": round(self.rows, 1)},
        }


def measure(
    settings: Settings,
    found: InstanceSet,
    tasks: Sequence[Task],
    config: RunConfig,
    workers: int,
    emit: events.Emit,
) -> dict[str, Any]:
    """Do the tasks one by one and then `workers` at once, each on a new engine and with warm indexes."""
    one, many = (_arm(settings, found, tasks, config, each, emit) for each in (1, workers))
    return {
        "dataset": found.name,
        "n": len(tasks),
        "model": settings.model,
        "dtype": settings.dtype,
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
    emit: events.Emit,
) -> Arm:
    def progress(label: str, done: int, total: int) -> None:
        emit(events.progress(label, done, total))

    with tempfile.TemporaryDirectory() as folder, Workbench(settings, progress=progress) as bench:
        for task in tasks:
            repository = bench.store.open(task.repo)
            bench.retriever(repository).index(task.base_commit)
        (run,) = runs_of(bench, found, [config], [Path(folder)])
        ledger = Ledger(run, list(found.instances), bench.facts())
        seconds, rows = asyncio.run(_timed(bench, ledger, tasks, workers, emit))
        results = ledger.results.values()
        predictions = Path(folder, "predictions.jsonl")
        return Arm(
            workers=workers,
            n=len(tasks),
            seconds=seconds,
            failed=len(tasks) - len(ledger.finished),
            stages={
                name: sum(result["stages"].get(name, 0.0) for result in results)
                for name in {name for result in results for name in result["stages"]}
            },
            busy=sum(map(bool, rows)) / max(len(rows), 1),
            rows=sum(rows) / max(sum(map(bool, rows)), 1),
            predictions=predictions.read_bytes() if predictions.exists() else b"",
        )


async def _timed(
    bench: Workbench, ledger: Ledger, tasks: Sequence[Task], workers: int, emit: events.Emit
) -> tuple[float, list[int]]:
    """Wall time of the tasks alone, and how many rows the engine had at each look."""
    rows: list[int] = []

    async def look() -> None:
        while True:
            rows.append(bench.engine.stats().running)
            await asyncio.sleep(_LOOK_S)

    async with LocalExecutor(bench, [ledger.run], workers) as executor:
        looking = asyncio.create_task(look())
        started = time.perf_counter()
        await evaluate([ledger], tasks, executor, emit)
        seconds = time.perf_counter() - started
        looking.cancel()
    return seconds, rows
