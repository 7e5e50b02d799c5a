"""Hundreds of followers of one run, then of one task: each is told all, and the server stays at hand."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from tests.services.conftest import INSTANCE
from tests.services.load.servers import Broken, Servers
from tests.services.load.watching import loop_lag, watched

_RUNS = 4
_MOST_S = 300
_COLUMNS = [
    {"name": "baseline"},
    *({"name": f"{alpha}", "steering": f"{alpha}·bug_analysis@1"} for alpha in range(1, 6)),
]


async def viewers(servers: Servers, followers: int, seed: int) -> dict[str, Any]:
    """Some runs of six columns and some tasks, one after another, each with so many followers from its
    beginning. Raises Broken where one is told anything else than the others.
    """
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=servers.url, timeout=120, limits=limits) as http:
        await servers.start(http)
        before = servers.memory_mib()
        events = {"runs": 0, "tasks": 0}
        began = time.perf_counter()
        async with watched(servers, _MOST_S) as seen:
            for number in range(_RUNS):
                asked = {"prompt": "Why?", "columns": _COLUMNS, "max_tokens": 512, "seed": seed + number}
                run = await http.post("/v1/arena/runs", json={**asked, "temperature": 2})
                events["runs"] += await _followed(http, f"/v1/arena/runs/{run.json()['id']}", followers)
                task = await http.post("/v1/tasks", json=INSTANCE)
                events["tasks"] += await _followed(http, f"/v1/tasks/{task.json()['id']}", followers)
        seconds = time.perf_counter() - began
        lag = loop_lag((await http.get("/metrics")).text)
    return {
        "followers": followers,
        "runs": _RUNS,
        "tasks": _RUNS,
        "events": events,
        "seconds": round(seconds, 1),
        "live_ms": seen.live_ms,
        "probe_woken_late_ms": seen.late_ms,
        "event_loop_lag": lag,
        "memory_mib": {"before": round(before, 1), "most": round(max(servers.memory), 1)},
    }


async def _followed(http: httpx.AsyncClient, path: str, followers: int) -> int:
    """How many events each follower was told."""
    answers = await asyncio.gather(*(http.get(f"{path}/events") for _ in range(followers)))
    told = {"".join(_frames(answer.raise_for_status().text)) for answer in answers}
    if len(told) != 1:
        raise Broken(f"{path} told its followers {len(told)} different things")
    return told.pop().count("id: ")


def _frames(text: str) -> list[str]:
    return [line + "\n" for line in text.splitlines() if not line.startswith(":")]


def run(folder: Path, followers: int, seed: int, **model: Any) -> dict[str, Any]:
    """With scripted tasks of half a second, and the tiny model's real engine for runs."""
    with Servers(folder, **model) as servers:
        return asyncio.run(viewers(servers, followers, seed))
