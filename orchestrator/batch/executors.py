"""The executors by name. Ray is imported only when it is asked for, since it is an optional extra."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal

from orchestrator.batch.evaluate import Executor
from orchestrator.batch.local import LocalExecutor
from orchestrator.batch.units import Run
from orchestrator.session import Session

Name = Literal["local", "ray"]
_WORKERS = {"local": 8, "ray": 2}


def workers_of(name: Name, workers: int | None) -> int:
    """How many workers an executor has when nobody says."""
    return workers or _WORKERS[name]


def executor_for(
    name: Name, session: Session, runs: Sequence[Run], workers: int, timeout_s: float | None
) -> AbstractAsyncContextManager[Executor]:
    """The executor of a name; raises ConfigError where Ray is not installed."""
    if name == "local":
        return LocalExecutor(session, runs, workers, timeout_s)
    from orchestrator.batch.ray_cluster import RayExecutor

    return RayExecutor(session.settings, workers, timeout_s, session.progress)
