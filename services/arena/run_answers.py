"""How runs look from outside."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from orchestrator.column_differences import Difference, SelfCheck
from services.arena.run_events import (
    RUN_EVENT,
    ColumnDivergence,
    ColumnEnded,
    ColumnToken,
    RunEnded,
    ShownToken,
)
from services.arena.run_requests import RunRequest
from services.arena.showing import RunResult
from services.chat.answers import Steered
from services.store.arena_table import Events, ShownState, StoredResult, moment

_SHOWN_CHARS = 200


class Kept(BaseModel):
    """What the store keeps of a run's beginning."""

    asked: RunRequest
    prompt_tokens: int
    steered: list[list[Steered]]

    @classmethod
    def of(cls, stored: StoredResult) -> "Kept":
        """From the store's record."""
        return cls.model_validate(stored.request)


class RunSummary(BaseModel):
    """A run in a list: its prompt's first 200 characters and its columns' names. `interrupted` is one whose
    server stopped.
    """

    id: str
    object: Literal["arena.run"] = "arena.run"
    state: ShownState
    model: str
    created_at: datetime
    finished_at: datetime | None
    prompt: str
    names: list[str]
    error: str | None

    @classmethod
    def of(cls, stored: StoredResult) -> "RunSummary":
        """From the store's record."""
        asked = Kept.of(stored).asked
        return cls(
            id=stored.id,
            state=stored.state,
            model=stored.model,
            created_at=moment(stored.created_at),
            finished_at=None if stored.finished_at is None else moment(stored.finished_at),
            prompt=asked.prompt[:_SHOWN_CHARS],
            names=[column.name for column in asked.columns],
            error=stored.error,
        )


class RunPage(BaseModel):
    """Runs, newest first; `next_cursor` is null on the last page."""

    object: Literal["list"] = "list"
    data: list[RunSummary]
    next_cursor: str | None


class ColumnAnswer(BaseModel):
    """A column: what it was really steered with (α is absolute), what it has written, and how it ended."""

    name: str
    steered: list[Steered]
    text: str
    tokens: list[ShownToken]
    ended: ColumnEnded | None
    difference: Difference | None


class RunAnswer(RunSummary):
    """A run with all that it has told. `request` runs it again, seed and all."""

    request: RunRequest
    prompt_tokens: int
    last_event: int
    columns: list[ColumnAnswer]
    self_check: SelfCheck | None
    ended: RunEnded | None

    @classmethod
    def whole(cls, stored: StoredResult, events: Events) -> "RunAnswer":
        """From the store's record and its events."""
        told = [RUN_EVENT.validate_python({**event}) for event in events]
        result = None if stored.result is None else RunResult.model_validate(stored.result)
        kept = Kept.of(stored)
        columns = []
        for number, column in enumerate(kept.asked.columns):
            tokens = [each for each in told if isinstance(each, ColumnToken) and each.column == number]
            ended = [each for each in told if isinstance(each, ColumnEnded) and each.column == number]
            later = {
                index: bits
                for each in told
                if isinstance(each, ColumnDivergence) and each.column == number
                for index, bits in enumerate(each.bits, each.index)
            }
            columns.append(
                ColumnAnswer(
                    name=column.name,
                    steered=kept.steered[number],
                    text="".join(token.text for token in tokens),
                    tokens=[_shown(token, later) for token in tokens],
                    ended=ended[0] if ended else None,
                    difference=None if result is None else result.differences[number],
                )
            )
        return cls(
            **RunSummary.of(stored).model_dump(),
            request=kept.asked,
            prompt_tokens=kept.prompt_tokens,
            last_event=len(events),
            columns=columns,
            self_check=None if result is None else result.self_check,
            ended=next((each for each in told if isinstance(each, RunEnded)), None),
        )


def _shown(token: ColumnToken, later: Mapping[int, float]) -> ShownToken:
    """A token with the divergence that it was told with, or later."""
    fields = token.model_dump(exclude={"kind", "column"})
    return ShownToken(**{**fields, "divergence": later.get(token.index, token.divergence)})
