"""Tasks on their way into the store and out of it, for whoever takes them in. Everything here blocks."""

from services.serving.runtime import Runtime
from services.store.records import NewTask, StoredTask
from services.work.inputs import TaskRequest


def queue(runtime: Runtime, owner: str, asked: TaskRequest, idempotency_key: str | None = None) -> StoredTask:
    """Check a task and have it wait for a worker. The same key and body give the same task again.

    Raises Invalid, Busy where too many wait, Conflict for a key that came with another body, Unavailable.
    """
    runtime.models.refuse_when_stopping()
    model = runtime.models.for_task(asked.model)
    name, tokens = runtime.inputs.check(asked)
    new = NewTask(
        owner=owner,
        model=model,
        instance_id=name,
        request=asked.model_dump(mode="json", exclude_unset=True),
        tokens=tokens,
        body_sha256=asked.digest(),
        idempotency_key=idempotency_key,
    )
    task, created = runtime.store.tasks.create(new, runtime.queue)
    if created:
        runtime.wake()
    return task


def cancel(runtime: Runtime, task: StoredTask) -> StoredTask:
    """Cancel a task: at once if it waits, at the next token if it runs."""
    cancelled = runtime.store.tasks.cancel(task.owner, task.id)
    runtime.cancel(task.number)
    return cancelled
