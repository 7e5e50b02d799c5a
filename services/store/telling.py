"""What is told of a task: what its run tells, and what the server itself says of it. One class an event.

Events are written as these classes and read as them again, so that nothing else is ever in the store; their
union is what the API's description says of a stream.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from orchestrator.events import TaskEvent
from orchestrator.policy.decisions import Record
from orchestrator.records import NodeRecord, Status


class Queued(Record):
    """The task waits, from the beginning or once more."""

    kind: Literal["queued"] = "queued"


class Interrupted(Record):
    """The task was given back and waits to go on."""

    kind: Literal["interrupted"] = "interrupted"
    reason: str


class ModelIdentity(Record):
    """The model that worked on a task."""

    id: str
    revision: str
    digest: str


class Ending(Record):
    """How a task's run ended."""

    status: Status
    applies: bool
    parses: bool
    files: tuple[str, ...]
    model: ModelIdentity
    reason: str = ""
    """Why there is no patch, where there is none."""


class Outcome(Ending):
    """The same with what its model nodes did."""

    nodes: tuple[NodeRecord, ...]


class TaskResult(Outcome):
    """All that a run that ended leaves in the store."""

    patch: str

    def told(self) -> "Completed":
        """The event that says so; what the nodes did was told before."""
        return Completed(**self.model_dump(exclude={"nodes"}))


class Completed(Ending):
    """The task's last event when it is completed."""

    kind: Literal["result"] = "result"
    patch: str


class Failed(Record):
    """The task's last event when it could not be done, with the reason in one line."""

    kind: Literal["failed"] = "failed"
    error: str


class Cancelled(Record):
    """The task's last event when its owner wanted no more of it."""

    kind: Literal["cancelled"] = "cancelled"


Event = Annotated[
    Queued | TaskEvent | Interrupted | Completed | Failed | Cancelled,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
