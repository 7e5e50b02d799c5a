"""/v1/tasks: create, look up, list, cancel, resume, forget, and what a task leaves: patch and trajectory.

The functions are plain ones, which the framework runs in threads: all of them wait for the store.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, Field, JsonValue

from services.api.access import Owner, RuntimeOf
from services.api.forms import Absent, TaskAnswer, TaskPage, cursor_of, number_of
from services.api.problems import documented
from services.errors import Conflict, NotFound
from services.serving import queueing
from services.store.records import State, StoredTask
from services.work.inputs import Name, TaskRequest
from services.work.solving import folder_of

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])
_IdempotencyKey = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
_Cursor = Annotated[str, Field(max_length=100)]
_ERRORS = (401, 403, 422, 429)


def owned_task(runtime: RuntimeOf, owner: Owner, task_id: str) -> StoredTask:
    """The caller's task of this id. Raises NotFound, for another owner's as for none."""
    task = runtime.store.tasks.get(owner, task_id)
    if task is None:
        raise NotFound("there is no such task")
    return task


OwnedTask = Annotated[StoredTask, Depends(owned_task)]


class Trajectory(BaseModel):
    """What each node did, in the order in which they ended."""

    task_id: str
    nodes: list[dict[str, JsonValue]]


@router.post("", status_code=202, responses=documented(400, *_ERRORS, 413, 415, 503))
def create(
    body: TaskRequest,
    runtime: RuntimeOf,
    owner: Owner,
    response: Response,
    idempotency_key: Annotated[_IdempotencyKey | Absent, Header()] = None,
) -> TaskAnswer:
    """Queue a task. The same Idempotency-Key and body give the same task again."""
    task = queueing.queue(runtime, owner, body, idempotency_key)
    response.headers["Location"] = f"/v1/tasks/{task.id}"
    return TaskAnswer.of(task)


@router.get("", responses=documented(400, *_ERRORS))
def list_tasks(
    runtime: RuntimeOf,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[_Cursor | Absent, Query()] = None,
    state: State | Absent = None,
    instance_id: Name | Absent = None,
) -> TaskPage:
    """The caller's tasks, newest first."""
    before = None if cursor is None else number_of(cursor)
    found = runtime.store.tasks.list(
        owner, before=before, most=limit + 1, state=state, instance_id=instance_id
    )
    page = found[:limit]
    more = cursor_of(page[-1].number) if len(found) > limit else None
    return TaskPage(data=[TaskAnswer.of(task) for task in page], next_cursor=more)


@router.get("/{task_id}", responses=documented(*_ERRORS, 404))
def get(task: OwnedTask) -> TaskAnswer:
    """One task."""
    return TaskAnswer.of(task)


@router.delete(
    "/{task_id}",
    response_model=TaskAnswer,
    responses={
        204: {"description": "Nothing is known of the task any more."},
        **documented(*_ERRORS, 404, 409),
    },
)
def cancel(task: OwnedTask, runtime: RuntimeOf, forget: bool = False) -> TaskAnswer | Response:
    """Cancel a task: at once if it waits, at the next token if it runs. `forget` deletes one that is over."""
    if forget:
        folder = folder_of(runtime.settings.data, task)
        runtime.store.tasks.forget(task.owner, task.id, lambda: _remove(folder))
        return Response(status_code=204)
    return TaskAnswer.of(queueing.cancel(runtime, task))


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


@router.post("/{task_id}/resume", status_code=202, responses=documented(*_ERRORS, 404, 409, 503))
def resume(task: OwnedTask, runtime: RuntimeOf) -> TaskAnswer:
    """Queue a failed or cancelled task again; it goes on after its last finished node."""
    runtime.models.refuse_when_stopping()
    resumed = runtime.store.tasks.resume(task.owner, task.id, runtime.queue)
    runtime.wake()
    return TaskAnswer.of(resumed)


@router.get(
    "/{task_id}/patch",
    response_class=Response,
    responses={
        200: {"content": {"text/x-diff": {"schema": {"type": "string"}}}},
        **documented(*_ERRORS, 404, 409),
    },
)
def patch(task: OwnedTask) -> Response:
    """The patch of a completed task, as `git apply` takes it."""
    if task.state != "completed" or task.result is None:
        raise Conflict(f"the task is {task.state}: there is a patch when it is completed")
    if not task.result.patch:
        why = task.result.reason or "no candidate passed validation"
        raise NotFound(f"the task ended without a patch: {why}")
    return Response(task.result.patch.encode(), media_type="text/x-diff")


@router.get("/{task_id}/trajectory", responses=documented(*_ERRORS, 404))
def trajectory(task: OwnedTask, runtime: RuntimeOf) -> Trajectory:
    """What each node that has ended so far did: of model nodes the prompt, the decision and the answer."""
    found = folder_of(runtime.settings.data, task).glob("*/trajectory/*.json")
    ordered = sorted(found, key=lambda path: path.stat().st_mtime_ns)
    return Trajectory(task_id=task.id, nodes=[json.loads(path.read_text("utf-8")) for path in ordered])
