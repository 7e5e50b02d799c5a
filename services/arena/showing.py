"""A run from its first token to its result: each column told as it comes, whichever's are there first."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio.to_thread
import structlog

from orchestrator.column_differences import Answered, Difference, SelfCheck, differences, self_check
from orchestrator.policy.decisions import Record
from services.arena.columns import Plan
from services.arena.live import Live
from services.arena.run_events import (
    Alternative,
    ColumnDivergence,
    ColumnEnded,
    ColumnFinish,
    ColumnToken,
    RunEnded,
    RunFailed,
)
from services.chat.choices import Choices
from services.chat.generate import Answer, Token
from services.errors import Failed, ServiceError, Unavailable
from services.serving.exchange import Served
from vectors.errors import VectorsError

_log = structlog.get_logger(__name__)


class RunResult(Record):
    """What is known of a run once it is over, beside what it told: each column beside the baseline."""

    self_check: SelfCheck | None
    differences: tuple[Difference | None, ...]


@dataclass
class _Column:
    """What a column has so far."""

    tokens: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    compared: int = 0


class Showing:
    """One run that goes on; `began` is when it was asked for, by `time.perf_counter`."""

    def __init__(self, live: Live, served: Served, plan: Plan, choices: Choices, began: float) -> None:
        self._live, self._served, self._plan, self._choices = live, served, plan, choices
        self._began = began
        self._columns = [_Column() for _ in plan.rows]

    async def run(self) -> None:
        """Tell everything, to the run's last event."""
        try:
            columns = map(self._column, range(len(self._columns)), self._choices.answers)
            with self._live.stopping(self._choices.cancel):
                errors = await asyncio.gather(*columns)
            error = next((each for each in errors if each is not None), None)
            if error is None:
                await self._end()
            else:
                await self._fail(error)
        except Exception as error:
            _log.exception("the run failed", result=self._live.stored.id)
            self._choices.cancel()
            told = error if isinstance(error, ServiceError) else Failed("the run failed; run it again")
            await self._fail(told)

    async def _column(self, number: int, answer: Answer) -> ServiceError | None:
        """Tell a column; returns what ends the whole run with it."""
        finish: ColumnFinish
        said = None
        try:
            async for tokens in answer.tokens():
                known = answer.divergences(0)
                self._compare(number, known)
                for token in tokens:
                    self._take(number, token, known)
            finish = answer.generation.finish_reason
        except VectorsError as error:
            finish, said = "failed", " ".join(str(error.args[0]).split())
        except ServiceError as error:
            if not (isinstance(error, Unavailable) and self._live.cancelled):
                return error
            finish = "cancelled"
        self._compare(number, answer.divergences(0))
        if number < len(self._plan.columns):
            count, seconds = len(self._columns[number].tokens), time.perf_counter() - self._began
            self._live.tell(
                ColumnEnded(
                    column=number,
                    finish_reason=finish,
                    tokens=count,
                    seconds=round(seconds, 4),
                    tokens_per_second=round(count / seconds, 2),
                    error=said,
                )
            )
        return None

    def _compare(self, number: int, known: Sequence[float]) -> None:
        """Tell what has become known of tokens that were told before."""
        column = self._columns[number]
        bits = tuple(map(_rounded, known[column.compared : len(column.tokens)]))
        if bits:
            self._live.tell(ColumnDivergence(column=number, index=column.compared, bits=bits))
            column.compared += len(bits)

    def _take(self, number: int, token: Token, known: Sequence[float]) -> None:
        column = self._columns[number]
        index = len(column.tokens)
        column.tokens.append(token.id)
        column.pieces.append(token.piece)
        if number >= len(self._plan.columns):
            return
        if index < len(known):
            column.compared = index + 1
        assert token.scored is not None
        named = self._served.lm.tokenizer.named
        self._live.tell(
            ColumnToken(
                column=number,
                index=index,
                id=token.id,
                text=token.piece,
                logprob=_rounded(token.scored.logprob),
                alternatives=tuple(
                    Alternative(id=other, text=named(other), logprob=_rounded(logprob))
                    for other, logprob in token.scored.top
                ),
                divergence=_rounded(known[index]) if index < len(known) else None,
                projection=_rounded(token.readings[0].projection) if token.readings else None,
            )
        )

    async def _end(self) -> None:
        columns = self._columns[: len(self._plan.columns)]
        result = await anyio.to_thread.run_sync(self._result, columns)
        state: Literal["cancelled", "done"] = "cancelled" if self._live.cancelled else "done"
        tokens, seconds = sum(len(each.tokens) for each in columns), time.perf_counter() - self._began
        last = RunEnded(
            state=state,
            tokens=tokens,
            seconds=round(seconds, 4),
            tokens_per_second=round(tokens / seconds, 2),
        )
        await self._live.end(state, last, result)

    def _result(self, columns: Sequence[_Column]) -> RunResult:
        answers = [Answered("".join(each.pieces), tuple(each.tokens)) for each in columns]
        served, plan = self._served, self._plan
        checked = None
        if plan.check is not None and plan.baseline is not None and not self._live.cancelled:
            checked = self_check(answers[plan.baseline].tokens, self._columns[-1].tokens)
        found = differences(served.engine, served.lm.tokenizer, plan.columns, answers, plan.baseline)
        return RunResult(self_check=checked, differences=tuple(found))

    async def _fail(self, error: ServiceError) -> None:
        reason = str(error.args[0])
        await self._live.end("failed", RunFailed(reason=reason), None, reason)


def _rounded(number: float) -> float:
    """Six digits: of a token's readings more are noise, and a run has thousands of them."""
    return float(f"{number:.6g}")
