"""The executors by name: ours, and what other distributions add as a plug-in.

A plug-in is a class under an entry point of the group `orchestrate.executors`: called with a session, the
runs, how many workers, and the seconds a task may take, it gives an asynchronous context manager whose value
is an `Executor`. Plug-ins are looked for only where a name is none of ours, since that takes a while.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

from vectors.errors import PluginError
from vectors.plugins import find, load

if TYPE_CHECKING:
    from orchestrator.batch.evaluate import Executor
    from orchestrator.batch.units import Run
    from orchestrator.session import Session

GROUP = "orchestrate.executors"
_OURS = {
    "local": "orchestrator.batch.local:LocalExecutor",
    "ray": "orchestrator.batch.ray_cluster:RayExecutor",
}
EXECUTORS = tuple(_OURS)
_WORKERS = {"ray": 2}
_USUAL_WORKERS = 8


def executor_plugin(name: str) -> EntryPoint | None:
    """The entry point of a plug-in's executor; None for our own and for unknown names."""
    return None if name in _OURS else find(GROUP, _OURS).get(name)


def known_executor(name: str) -> str:
    """The name itself, of one of our executors or of a plug-in; else ValueError, which lists them all."""
    if name in _OURS or executor_plugin(name):
        return name
    there = ", ".join([*_OURS, *sorted(find(GROUP, _OURS).keys() - _OURS.keys())])
    raise ValueError(f"there is no executor {name!r}: choose one of {there}, or install its plug-in")


def workers_of(name: str, workers: int | None) -> int:
    """How many workers an executor has when nobody says."""
    return workers or _WORKERS.get(name, _USUAL_WORKERS)


def executor_for(
    name: str, session: "Session", runs: "Sequence[Run]", workers: int, timeout_s: float | None
) -> "AbstractAsyncContextManager[Executor]":
    """The executor of a name, not yet entered. Raises PluginError for a plug-in that cannot be used."""
    entry = executor_plugin(name) or EntryPoint(name, _OURS[name], GROUP)
    kind = load(entry, type)
    try:
        made = kind(session, runs, workers, timeout_s)
    except TypeError as error:
        raise PluginError(
            f"executor {name}, {entry.value}, cannot be made of session, runs, workers and timeout_s: {error}"
        ) from error
    if not isinstance(made, AbstractAsyncContextManager):
        raise PluginError(
            f"executor {name}, {entry.value}, is no asynchronous context manager: update or uninstall it"
        )
    return made
