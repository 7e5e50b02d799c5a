"""The executor of this machine: many tasks at once on one engine, where their model calls meet in batches."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from orchestrator.batch.units import Run, Unit
from orchestrator.batch.work import work
from orchestrator.events import EmitTask
from orchestrator.records import Result
from orchestrator.session import Session
from orchestrator.task.solve import checkpoints


class LocalExecutor:
    """Works in the runs' own folders, so that a task that was killed goes on with the node it was in.

    `workers` tasks are worked on at once. Use as an async context manager.
    """

    def __init__(
        self, session: Session, runs: Sequence[Run], workers: int, timeout_s: float | None = None
    ) -> None:
        self.in_flight = workers
        self._session = session
        self._folders = [run.folder for run in runs]
        self._timeout_s = timeout_s
        self._savers: dict[Path, AsyncSqliteSaver] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._session.open_engine()
        for folder in self._folders:
            self._savers[folder] = await self._open.enter_async_context(checkpoints(folder))
        return self

    async def __aexit__(self, *exit_: object) -> None:
        await self._open.aclose()

    async def solve(self, unit: Unit, emit: EmitTask) -> Result:
        """A unit's result; see `work`. After a fault that closed the engine the next unit gets a new one."""
        folder = unit.run.folder
        result = await work(
            self._session, unit, folder, self._savers[folder], timeout_s=self._timeout_s, emit=emit
        )
        if self._session.engine.closed:
            self._session.reopen_engine()
        return result
