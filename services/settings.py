"""What an operator decides about a server: where it listens and keeps things, and how much it takes on.

The values come from the table [serve] of orchestrate.toml, ORCHESTRATE_SERVE__… and the command's flags.
"""

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

BODY_BYTES = 1 << 20
HEADER_BYTES = 1 << 15


class ServeSettings(BaseModel):
    """Everything is per server process, but what is in the store, which several may share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0: any free port, which the server prints."""
    data: Path = Path("service")
    """Folder of the store's file, tasks' artifacts and uploaded vectors; servers on one store share it."""
    store: SecretStr | None = None
    """URL of a PostgreSQL database to keep tasks in instead of a file (it may hold a password)."""

    datasets: tuple[str, ...] = ("bundled",)
    """Data sets whose instances may be asked for."""
    repositories: dict[str, Path] = Field(default_factory=dict)
    """Repositories of this machine that tasks may name, by name; no other is ever opened for a request."""
    run_tests: bool = False
    """Whether a request may ask for run_tests, which runs the repository's and the issue's code here.

    A repository of `repositories` is tested as its files say, in its .venv or with the Python on the path.
    """

    models: tuple[str, ...] = ()
    """Models that an operator may have loaded in place of the first one: aliases, hub ids, folders."""
    concurrency: int = Field(default=2, ge=1, le=64)
    """Tasks that run at once; their model nodes share batches."""
    queue_tasks: int = Field(default=64, ge=1)
    queue_tokens: int = Field(default=200_000, ge=1)
    """Most tasks that wait, and most tokens of problem statements (estimated: four bytes each)."""
    chat_requests: int = Field(default=64, ge=1)
    chat_tokens: int = Field(default=65_536, ge=1)
    """Most chat requests in hand, waiting or running, and most tokens of prompts and answers among them."""
    prompt_tokens: int = Field(default=32_768, ge=1)
    """Longest prompt of a chat request, and longest problem statement of a task."""
    requests_per_minute: int = Field(default=600, ge=1)
    """For each key; a burst may use up a minute's share at once."""
    system_prompts: tuple[str, ...] = ()
    """The operator's own, word for word: what is computed of them is reused for whoever sends them."""
    arena_results: int = Field(default=200, ge=1)
    """Most arena runs, and most batches, that are kept for each owner; the oldest make room for new ones."""
    lab_runs: Path = Path("runs/lab")
    """Folder of `orchestrate lab` whose finished experiments everybody with a key may look at."""
    one_owner: bool = False
    """All keys are of one trusted owner: what is computed for one is reused for all, and its count and time
    tell each of them how far a text agrees with another's."""
    connections: int = Field(default=2000, ge=1)
    """Most connections in all; the one that has waited longest without a request makes room for a new one."""
    connections_each: int = Field(default=1000, ge=1)
    """Most connections from one address, in the same way; behind a proxy all come from the proxy's."""
    steering_norm: float = Field(default=10_000.0, gt=0)
    """Largest |α| of a request, and largest norm of an uploaded direction."""

    lease_s: float = Field(default=15.0, ge=1)
    """After so long without a sign of life a worker's tasks are taken over."""
    drain_s: float = Field(default=20.0, ge=0, le=20)
    """How long a stopping server lets running nodes and answers finish."""

    @property
    def loopback(self) -> bool:
        """Whether only programs of this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def sharing(self, owner: str) -> str:
        """Among whom what is computed for an owner is reused: see `GenerationRequest`."""
        return "" if self.one_owner else owner

    @property
    def where(self) -> Path | str:
        """Where the store is: a URL, or the file in the data folder."""
        return self.store.get_secret_value() if self.store else self.data / "store.sqlite"
