"""How tasks look from outside."""

import base64
import re
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import SkipJsonSchema

from services.errors import BadRequest
from services.store.records import State, StoredTask
from services.store.telling import Outcome

Absent = SkipJsonSchema[None]
"""What stands for a parameter that was not sent: headers and queries have no null, so none is described."""


class TaskAnswer(BaseModel):
    """A task. `result` is there once it is completed; its patch has an address of its own."""

    id: str
    object: Literal["task"] = "task"
    state: State
    cancel_requested: bool
    instance_id: str
    model: str
    request: dict[str, JsonValue]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_event: int
    result: Outcome | None
    error: str | None

    @classmethod
    def of(cls, task: StoredTask) -> "TaskAnswer":
        """From the store's record, whose times are seconds since the epoch."""
        return cls.model_validate(task, from_attributes=True)


class TaskPage(BaseModel):
    """Tasks, newest first; `next_cursor` is null on the last page."""

    object: Literal["list"] = "list"
    data: list[TaskAnswer]
    next_cursor: str | None


def cursor_of(number: int) -> str:
    """A cursor that goes on below a task's number; clients are not to read it."""
    return base64.urlsafe_b64encode(f"before:{number}".encode()).decode().rstrip("=")


def number_of(cursor: str) -> int:
    """The number in a cursor. Raises BadRequest."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        text = ""
    found = re.fullmatch(r"before:(\d{1,15})", text, re.ASCII)
    if not found:
        raise BadRequest("cursor: it is none of this server's; take next_cursor of a page")
    return int(found[1])
