"""What a server under load is like from beside it: how soon it answers, how late its loop is, its memory."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from tests.services.load.servers import Servers

_PROBE = """
import json, select, sys, time, urllib.request
url, seconds = sys.argv[1] + "/live", float(sys.argv[2])
took, late = [], []
end = time.perf_counter() + seconds
while (began := time.perf_counter()) < end and not select.select([sys.stdin], [], [], 0)[0]:
    urllib.request.urlopen(url, timeout=30).read()
    ended = time.perf_counter()
    time.sleep(0.02)
    took.append(ended - began)
    late.append(time.perf_counter() - ended - 0.02)
print(json.dumps({"live": took, "late": late}))
"""
"""`late` is how late this process itself is woken from its sleeps: what the machine adds to every time."""


@dataclass
class Seen:
    """Milliseconds that `/live` took, and that the one who asked was woken late."""

    live_ms: dict[str, float] = field(default_factory=dict)
    late_ms: dict[str, float] = field(default_factory=dict)


@asynccontextmanager
async def watched(servers: Servers, seconds: float) -> AsyncIterator[Seen]:
    """While this is entered `/live` is asked all the time, for so many seconds at most, by a process of its
    own, and `servers.memory` grows. This process steps back: clients would be on other machines.
    """
    seen = Seen()
    probe = subprocess.Popen(
        [sys.executable, "-c", _PROBE, servers.url, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.nice(10)  # only the server's own work may hold it up
    memory = asyncio.create_task(_memory(servers))
    yield seen
    memory.cancel()
    told = json.loads((await asyncio.to_thread(probe.communicate))[0])
    seen.live_ms, seen.late_ms = _quantiles(told["live"]), _quantiles(told["late"])


async def _memory(servers: Servers) -> None:
    while True:
        await asyncio.sleep(0.5)
        servers.memory.append(servers.memory_mib())


def loop_lag(text: str) -> dict[str, dict[str, float]]:
    """Of a server's metrics: how often its loop was late since it began, and how late at most."""
    name = "orchestrate_event_loop_lag"
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(name):
            for sample in family.samples:
                found[sample.name.removeprefix(name), *sample.labels.values()] = sample.value
    return {
        part: {
            "n": found["_seconds_count", part],
            "over_25_ms": found["_seconds_count", part] - found["_seconds_bucket", "0.025", part],
            "over_100_ms": found["_seconds_count", part] - found["_seconds_bucket", "0.1", part],
            "most_ms": round(1000 * found["_most_seconds", part], 1),
        }
        for part in ("whole", "own")
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p99": 0.99, "most": 1.0}
    found = {
        name: round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * q))], 1) for name, q in at.items()
    }
    return {"n": len(ordered), **found}
