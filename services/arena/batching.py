"""A batch from its first cell to its last: a few prompts at once, each with all its columns in one batch.

The cells of a prompt are told together, so that whoever goes on with a batch begins with whole prompts.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio.to_thread
import structlog

from orchestrator.column_differences import jaccard, parted
from services.arena.batch_forms import BatchEnded, BatchFailed, Cell, KeptBatch, mean_bits
from services.arena.columns import Plan, planned
from services.arena.live import Live
from services.arena.run_events import ColumnFinish
from services.chat.choices import begun
from services.chat.generate import Answer
from services.errors import Busy, Failed, ServiceError, Unavailable
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from vectors.errors import VectorsError

_ROWS = 16
"""Of the engine, about which are to be busy."""
_log = structlog.get_logger(__name__)


@dataclass
class _Answered:
    """What came of a column."""

    pieces: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    divergences: Sequence[float] = ()
    finish: ColumnFinish = "stop"
    error: str | None = None


class Batching:
    """One batch that goes on, but for the prompts that are `done`."""

    def __init__(
        self, runtime: Runtime, live: Live, served: Served, kept: KeptBatch, done: Collection[int]
    ) -> None:
        self._runtime, self._live, self._served, self._kept = runtime, live, served, kept
        self._left = [number for number in range(len(kept.prompts)) if number not in done]
        self._cells = len(done) * len(kept.asked.columns)
        self._at_once = asyncio.Semaphore(max(1, _ROWS // (2 * len(kept.asked.columns))))

    async def run(self) -> None:
        """Tell every cell, to the batch's last event."""
        tasks = [asyncio.create_task(self._prompt(number)) for number in self._left]
        try:
            await asyncio.gather(*tasks)
        except Exception as error:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not self._live.cancelled:
                await self._fail(error)
                return
        state: Literal["done", "cancelled"] = "cancelled" if self._live.cancelled else "done"
        await self._live.end(state, BatchEnded(state=state, cells=self._cells), None)

    async def _fail(self, error: Exception) -> None:
        if not isinstance(error, ServiceError):
            _log.error("the batch failed", result=self._live.stored.id, exc_info=error)
            error = Failed("the batch failed; resume it")
        reason = str(error.args[0])
        await self._live.end("failed", BatchFailed(reason=reason), None, reason)

    async def _prompt(self, number: int) -> None:
        async with self._at_once:
            if self._live.cancelled:
                return
            plan = await anyio.to_thread.run_sync(
                planned,
                self._served,
                self._runtime.settings,
                self._live.stored.owner,
                self._kept.asked,
                self._kept.prompts[number],
            )
            answers = await self._answered(plan)
            cells = await anyio.to_thread.run_sync(_cells, number, plan, answers)
            for cell in cells:
                self._live.tell(cell)
            self._cells += len(cells)

    async def _answered(self, plan: Plan) -> list[_Answered]:
        """All columns of a prompt. Waits where the server has enough to do."""
        rows, stored = plan.columns, self._live.stored
        while True:
            try:
                async with begun(self._runtime, self._served, stored.owner, rows) as held:
                    with self._live.stopping(held.choices.cancel):
                        return await asyncio.gather(*map(_collected, held.choices.answers))
            except Busy as busy:
                await asyncio.sleep(busy.retry_after_s or 1)
                if self._live.cancelled:
                    raise Unavailable("stopped") from None


async def _collected(answer: Answer) -> _Answered:
    found = _Answered()
    try:
        async for tokens in answer.tokens():
            for token in tokens:
                found.pieces.append(token.piece)
                found.tokens.append(token.id)
        found.finish = answer.generation.finish_reason
        found.divergences = answer.generation.divergences
    except VectorsError as error:
        found.finish, found.error = "failed", " ".join(str(error.args[0]).split())
    return found


def _cells(prompt: int, plan: Plan, answers: list[_Answered]) -> list[Cell]:
    assert plan.baseline is not None
    base = answers[plan.baseline]
    cells = []
    for column, each in enumerate(answers):
        text = "".join(each.pieces)
        cell = Cell(
            prompt=prompt,
            column=column,
            text=text,
            tokens=len(each.tokens),
            finish_reason=each.finish,
            error=each.error,
        )
        if column != plan.baseline and each.error is None and base.error is None:
            cell = cell.model_copy(
                update={
                    "same": each.tokens == base.tokens,
                    "first_difference": parted(base.tokens, each.tokens),
                    "jaccard": jaccard("".join(base.pieces), text),
                    "divergence": mean_bits(each.divergences),
                }
            )
        cells.append(cell)
    return cells
