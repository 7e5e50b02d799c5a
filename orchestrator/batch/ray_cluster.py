"""The executor of a Ray cluster: actors with a model each, replaced when they or their nodes die.

Nothing is kept on a node. The driver has written down what is finished, and a unit that was lost with its
actor is run again from its beginning on another, which gives the same result. Ray's own restarts are not
used: its retries of a call are over within seconds where a node is gone for good, and a call to an actor that
waits for a processor of another waits for ever.
"""

import asyncio
import os
import re
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from orchestrator.batch.parcels import unpack
from orchestrator.batch.units import Run, Unit
from orchestrator.batch.work import failed
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.events import EmitTask, NodeFinished
from orchestrator.records import Result
from orchestrator.session import Session
from orchestrator.task.artifacts import Artifacts

if TYPE_CHECKING:
    from orchestrator.batch.ray_actor import Place

Outcome = tuple[Result, dict[str, bytes]]

TASKS_PER_ACTOR = 4
"""Tasks that an actor works on at once: their model calls meet in its engine."""
CONNECT_S = 10.0
_HOST_PORT = re.compile(r"(?:ray://)?(?P<host>[\w.-]+):(?P<port>\d{1,5})")
_IF_REFUSED = "; if it asks for a token, set RAY_AUTH_MODE=token and have the head's ~/.ray/auth_token here"
RETRIES = 3
"""How often a unit is run again after its actor died; one that takes its actor with it must end some time."""


class ClusterFailed(OrchestratorError):
    """Ray could not be started or reached, or no actor could load the model."""


class RayExecutor:
    """Up to `workers` actors, at most one for each processor of the cluster.

    RAY_ADDRESS names a cluster; without it Ray is started on this machine and stopped at the end. Use as an
    async context manager, which raises ConfigError where Ray is not installed and ClusterFailed where an
    actor does not come up.
    """

    def __init__(
        self,
        session: Session,
        runs: Sequence[Run],
        workers: int,
        timeout_s: float | None,
    ) -> None:
        del runs  # their folders are written to by name, when a unit ends
        self._settings = session.settings
        self._workers = workers
        self._timeout_s = timeout_s
        self._progress = session.progress
        self._load: dict[Any, int] = {}
        self._coming: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._last_error = ""
        self._ray: Any = None
        self.places: list[Place] = []
        """Host and process of each actor that came up, also of those that are gone."""

    @property
    def in_flight(self) -> int:
        """Units at once, on all actors."""
        return TASKS_PER_ACTOR * max(len(self._load), 1)

    async def __aenter__(self) -> Self:
        self._ray = _started()
        try:
            await self._come_up()
        except BaseException:
            self._ray.shutdown()
            raise
        return self

    async def __aexit__(self, *exit_: object) -> None:
        for coming in self._coming:
            coming.cancel()
        await asyncio.gather(*self._coming, return_exceptions=True)
        for actor in self._load:
            self._ray.kill(actor)
        self._ray.shutdown()

    async def _come_up(self) -> None:
        processors = int(self._ray.cluster_resources().get("CPU", 1))
        count = max(1, min(self._workers, processors))
        self._progress("actors", 0, count)
        await asyncio.gather(*(self._one_more() for _ in range(count)))
        if len(self._load) < count:
            raise ClusterFailed(f"an actor did not come up: {self._last_error}")

    async def _one_more(self) -> None:
        """Start an actor, and count on it once its model is loaded: that may wait for a free processor."""
        from orchestrator.batch.ray_actor import Solver

        given = self._settings.model_dump(mode="json")
        remote = self._ray.remote(num_cpus=1, max_concurrency=TASKS_PER_ACTOR + 1)(Solver)
        actor = remote.remote(given, self._timeout_s)
        try:
            place = await actor.where.remote()
        except self._ray.exceptions.RayError as error:
            self._last_error = _last_line(error)
        except asyncio.CancelledError:
            self._ray.kill(actor)
            raise
        else:
            self._load[actor] = 0
            self.places.append(place)
            self._progress(f"actor on {place.host}, process {place.pid}", len(self._load), len(self._load))
        self._changed.set()

    async def _free(self) -> Any:
        """The actor with the least to do, once there is one. Raises ClusterFailed where none will come."""
        while not self._load:
            if not self._coming:
                raise ClusterFailed(f"all actors are gone, and no other came up: {self._last_error}")
            self._changed.clear()
            await self._changed.wait()
        return min(self._load, key=lambda each: self._load[each])

    def _lose(self, actor: Any, error: Exception) -> None:
        """Count no more on an actor, once, and have another come up in its place."""
        self._last_error = _last_line(error)
        if self._load.pop(actor, None) is not None:
            self._ray.kill(actor)  # one that cannot be reached may still be there, on a node that is cut off
            coming = asyncio.get_running_loop().create_task(self._one_more())
            self._coming.add(coming)
            coming.add_done_callback(self._came)

    def _came(self, coming: asyncio.Task[None]) -> None:
        self._coming.discard(coming)
        self._changed.set()

    async def solve(self, unit: Unit, emit: EmitTask) -> Result:
        """A unit's result, its files written into its run's folder.

        Raises MixedRunError where a node differs from the driver in what determines results, ClusterFailed
        where no actor is left.
        """
        folder = unit.run.folder
        for _ in range(RETRIES + 1):
            actor = await self._free()
            self._load[actor] += 1
            try:
                result, files = cast(Outcome, await actor.solve.remote(unit))
                break
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except self._ray.exceptions.RayError as error:
                self._lose(actor, error)
            finally:
                if actor in self._load:
                    self._load[actor] -= 1
        else:
            reason = f"its actor died {RETRIES + 1} times, out of memory perhaps: {self._last_error}"
            return failed(unit.task.instance_id, folder, reason)
        name = unit.task.instance_id
        await asyncio.to_thread(self._keep, files, Artifacts(folder, name))
        for node in result.nodes:
            emit(
                NodeFinished(
                    node=node.name,
                    seconds=node.seconds,
                    new_tokens=node.new_tokens,
                    prompt_tokens=node.prompt_tokens,
                )
            )
        return result.model_copy(update={"artifacts": str(folder / name)})

    @staticmethod
    def _keep(files: dict[str, bytes], artifacts: Artifacts) -> None:
        artifacts.clear()
        unpack(files, artifacts.folder)


def _started() -> Any:
    """Ray, connected to the cluster that RAY_ADDRESS names or to one started here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--executor ray needs Ray, which is not installed: pip install 'steered-orchestrator[ray]'"
        ) from None
    address = os.environ.get("RAY_ADDRESS")
    if address and (named := _HOST_PORT.fullmatch(address)):
        _refuse_unreachable(address, named["host"], int(named["port"]))
    own = {} if address else {"include_dashboard": False}
    try:
        # Without a name Ray would take whatever cluster was last started on this machine.
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **own)
    except Exception as error:  # of no narrower kind where a node does not come up in time
        where = f"the Ray cluster {address} cannot be reached" if address else "Ray cannot be started here"
        told = "" if not address or "RAY_AUTH_MODE" in os.environ else _IF_REFUSED
        raise ClusterFailed(f"{where}: {_last_line(error)}{told}") from error
    return ray


def _refuse_unreachable(address: str, host: str, port: int) -> None:
    """Raise ClusterFailed where nothing answers: Ray itself would try for minutes."""
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        raise ClusterFailed(
            f"the Ray cluster {address} (RAY_ADDRESS) cannot be reached: {error}; "
            "name its head as host:port, or unset it to use this machine alone"
        ) from None


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
