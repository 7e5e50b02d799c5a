"""The tool that solves a task: it waits in the queue of those that come over HTTP, and leaves the same."""

from itertools import zip_longest

import anyio
import anyio.to_thread

from orchestrator.cli.event_lines import line_of
from orchestrator.events import TaskEvent, Tokens
from services.errors import Failed
from services.mcp.calls import Call
from services.mcp.tool import Tool
from services.serving import queueing
from services.serving.following import followed
from services.store.records import StoredTask
from services.store.telling import Cancelled, Completed, Ending, Interrupted, Queued
from services.store.telling import Failed as TaskFailed
from services.work.inputs import TaskRequest

_PATIENCE_S = 10.0


class Solved(Ending):
    """How a task ended: its id in the store, and the patch, as `git apply` takes it."""

    task: str
    patch: str


async def _solve(call: Call, asked: TaskRequest) -> Solved:
    task = await anyio.to_thread.run_sync(queueing.queue, call.runtime, call.owner, asked)
    try:
        return await _awaited(call, task)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(queueing.cancel, call.runtime, task)
        raise


async def _awaited(call: Call, task: StoredTask) -> Solved:
    async for found in followed(call.runtime, task, 0, _PATIENCE_S):
        if not found:
            await call.tell(f"{task.id} is being worked on")
        for stored, after in zip_longest(found, found[1:]):
            match stored.event:
                case Completed() as ending:
                    return Solved(task=task.id, **ending.model_dump(exclude={"kind"}))
                case TaskFailed(error=error):
                    raise Failed(f"{task.id} failed: {error}")
                case Cancelled():
                    raise Failed(f"{task.id} was cancelled")
                case Tokens() if after and isinstance(after.event, Tokens):
                    continue
                case event:
                    if said := _said(event):
                        await call.tell(said, stored.seq)
    raise Failed(f"{task.id} ended without a word")


def _said(event: Queued | Interrupted | TaskEvent) -> str | None:
    match event:
        case Queued():
            return "queued"
        case Interrupted(reason=reason):
            return f"interrupted: {reason}"
        case Tokens(node=node, count=count):
            return f"{node}: {count} tokens"
        case _:
            return line_of(event)


SOLVE_TASK = Tool(
    "solve_task",
    "Work on a task of the SWE-bench kind with steered small models: read, retrieve, analyse, write a patch, "
    "validate it. Name an instance_id, or a repository with a commit (hex) and a problem_statement. Takes "
    "minutes; cancelling the call stops the work. Gives a patch that applies and parses, or none.",
    TaskRequest,
    Solved,
    _solve,
    limit_s=3600,
    changes=True,
)
