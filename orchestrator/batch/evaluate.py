"""The driver of a batch: hands out what is not finished, and writes down each result as it comes.

Variants of one instance are handed out one after another, so that they meet while its index is at hand.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from orchestrator.batch.ledger import Ledger
from orchestrator.batch.units import Unit
from orchestrator.events import BatchStarted, Emit, EmitTask, InUnit, Standing, UnitFinished, UnitStarted
from orchestrator.records import Result
from swebench.data.tasks import Task


class Executor(Protocol):
    """Does units, up to `in_flight` of them at once; their failures are results, see `work`."""

    @property
    def in_flight(self) -> int: ...  # noqa: D102

    async def solve(self, unit: Unit, emit: EmitTask) -> Result:
        """A unit's result; its artifacts are in its run's folder when this returns."""
        ...


async def evaluate(
    ledgers: Sequence[Ledger],
    tasks: Sequence[Task],
    executor: AbstractAsyncContextManager[Executor],
    emit: Emit,
) -> None:
    """Do every task of every run that is not finished, in the order of the tasks.

    Each result is written when it is there, so a run that ends early, in whatever way, can be gone on with.
    The executor is entered where something is left to do.
    """
    of = {ledger.run.name: ledger for ledger in ledgers}
    pending = deque(
        Unit(ledger.run, task)
        for task in tasks
        for ledger in ledgers
        if task.instance_id not in ledger.finished
    )
    emit(BatchStarted(runs={name: _state(ledger, tasks) for name, ledger in of.items()}))
    if pending:
        async with executor as at_work:
            await _all_done(pending, of, at_work, emit)


async def _all_done(pending: deque[Unit], of: Mapping[str, Ledger], executor: Executor, emit: Emit) -> None:
    running: dict[asyncio.Task[Result], Unit] = {}
    try:
        while pending or running:
            while pending and len(running) < executor.in_flight:
                unit = pending.popleft()
                running[asyncio.create_task(_do(executor, unit, emit))] = unit
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                unit, result = running.pop(each), each.result()
                of[unit.run.name].write(result)
                emit(UnitFinished(run=unit.run.name, result=result))
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _do(executor: Executor, unit: Unit, emit: Emit) -> Result:
    name, instance_id = unit.run.name, unit.task.instance_id
    emit(UnitStarted(run=name, instance_id=instance_id))
    return await executor.solve(
        unit, lambda event: emit(InUnit(run=name, instance_id=instance_id, event=event))
    )


def _state(ledger: Ledger, tasks: Sequence[Task]) -> Standing:
    statuses = [
        ledger.results[task.instance_id].status for task in tasks if task.instance_id in ledger.finished
    ]
    return Standing(total=len(tasks), done=len(statuses), valid=statuses.count("patched"))
