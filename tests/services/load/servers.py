"""One server process at a time, on one address: started, killed and started again."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.orchestrator.conftest import make_tiny_model

_PATIENCE_S = 500
"""For a server to be ready: how long that takes is a busy machine's matter."""


class Broken(AssertionError):
    """What must hold did not."""


class Servers:
    """Use as a context manager; `scripted`: tasks only pretend to work, and what begins with "Later" waits
    until `gate` is there."""

    def __init__(
        self,
        folder: Path,
        *,
        scripted: bool = True,
        model: str | None = None,
        cache: Path | None = None,
        **serve: Any,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", folder / "log"
        self.gate = folder / "gate"
        self._order = {
            "model": model or str(make_tiny_model(folder / "tiny-llama")),
            "cache": str(cache or folder / "cache"),
            "log": str(self.log),
            "gate": str(self.gate),
            "scripted": scripted,
            "serve": {"data": str(folder / "service"), "port": port, "requests_per_minute": 10**6, **serve},
        }
        self.process = 0
        self.memory: list[float] = []

    def __enter__(self) -> Self:
        self._forks = subprocess.Popen(
            [sys.executable, "-m", "tests.services.load.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process:
            self.kill()
        self._forks.communicate()

    async def start(self, http: httpx.AsyncClient) -> float:
        """Start a server; returns the seconds until it was ready. Raises Broken where it never is."""
        began = time.perf_counter()
        assert self._forks.stdin and self._forks.stdout
        self._forks.stdin.write(json.dumps(self._order) + "\n")
        self._forks.stdin.flush()
        self.process = int(await asyncio.to_thread(self._forks.stdout.readline))
        while time.perf_counter() < began + _PATIENCE_S:
            try:
                if (await http.get("/ready")).status_code == 200:
                    return time.perf_counter() - began
            except httpx.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.02)
        raise Broken(f"the server is not ready: see {self.log}")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(self.process, signal.SIGKILL)
        while Path(f"/proc/{self.process}").exists():
            time.sleep(0.005)
        self.process = 0

    def loop_thread(self) -> dict[str, float]:
        """Seconds that the thread of the server's loop computed, and that it waited for a processor."""
        told = Path(f"/proc/{self.process}/task/{self.process}/schedstat").read_text().split()
        return {"computed": int(told[0]) / 1e9, "waited_for_a_processor": int(told[1]) / 1e9}

    def memory_mib(self) -> float:
        """Resident memory of the server."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
