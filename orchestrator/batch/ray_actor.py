"""What runs on a node of a Ray cluster: a model and an engine of its own, and the units it is sent.

The rest of the project does not import this module: Ray is an optional extra.
"""

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from orchestrator.batch.parcels import pack
from orchestrator.batch.units import Run, Unit
from orchestrator.batch.work import work
from orchestrator.records import Result
from orchestrator.session import Session
from orchestrator.settings import Settings, refuse_other_settings
from orchestrator.task.solve import checkpoints
from vectors.progress import silent


class Place(NamedTuple):
    """Where an actor is: its host and its process."""

    host: str
    pid: int


class Solver:
    """An actor's state. What a unit leaves goes back with its result: nodes need not share a disk.

    Raises what Session raises for a model that cannot be had here.
    """

    def __init__(self, settings: dict[str, JsonValue], timeout_s: float | None) -> None:
        self._session = Session(Settings.model_validate(settings), progress=silent)
        self._timeout_s = timeout_s
        self._session.open_engine()
        self._checked: set[str] = set()

    async def where(self) -> Place:
        """The host and the process of this actor, once its model is loaded."""
        return Place(socket.gethostname(), os.getpid())

    async def solve(self, unit: Unit) -> tuple[Result, dict[str, bytes]]:
        """A unit's result and the files of its folder.

        Raises MixedRunError where this node has other versions, another model or other vectors.
        """
        self._refuse_other(unit.run)
        folder = Path(tempfile.mkdtemp(prefix="orchestrate-"))
        try:
            async with checkpoints(folder) as saver:
                result = await work(
                    self._session, unit, folder, saver, timeout_s=self._timeout_s, emit=lambda _: None
                )
            if self._session.engine.closed:
                self._session.reopen_engine()
            return result, pack(folder / unit.task.instance_id)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _refuse_other(self, run: Run) -> None:
        if run.name not in self._checked:
            own = self._session.determinants(run.config, run.dataset, run.fingerprint)
            if own != run.determinants:
                refuse_other_settings(run.determinants, own, Path(socket.gethostname()))
            self._checked.add(run.name)
