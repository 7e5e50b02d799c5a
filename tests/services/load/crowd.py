"""Hundreds of clients at a queue of 64: refusals say when to come back, and the server stays at hand.

Each client creates a task, waits as long as `Retry-After` says where it is refused, follows its task's
events to the end, and asks for a chat in between. A probe in a process of its own asks `/live` all the time.
"""

import asyncio
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.services.conftest import INSTANCE
from tests.services.load.servers import Broken, Servers
from tests.services.load.watching import loop_lag, watched

_SECONDS = 60
_WARM_CHATS = 1500
"""After about a thousand prompts the engine keeps as many of their beginnings as it has room for."""


async def crowd(servers: Servers, clients: int, seconds: float) -> dict[str, Any]:
    """So many clients for so long. Raises Broken for any other answer than 2xx and a 429 that says when."""
    statuses: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=servers.url, timeout=120, limits=limits) as http:
        await servers.start(http)
        await _warm_up(http)
        before = servers.loop_thread()
        async with watched(servers, seconds) as seen:
            ends = time.monotonic() + seconds
            await asyncio.gather(*(_client(http, number, ends, statuses) for number in range(clients)))
        after = servers.loop_thread()
        lag = loop_lag((await http.get("/metrics")).text)
    used = servers.memory
    return {
        "clients": clients,
        "seconds": seconds,
        "answers": dict(sorted(statuses.items())),
        "live_ms": seen.live_ms,
        "probe_woken_late_ms": seen.late_ms,
        "event_loop_lag": lag,
        "loop_thread_s": {name: round(after[name] - before[name], 1) for name in after},
        "memory_mib_by_thirds": [
            round(statistics.mean(used[len(used) * third // 3 : len(used) * (third + 1) // 3]), 1)
            for third in range(3)
        ],
    }


async def _warm_up(http: httpx.AsyncClient) -> None:
    numbers = iter(range(_WARM_CHATS))

    async def client() -> None:
        for number in numbers:
            await http.post("/v1/chat/completions", json=_chat(f"Warm-up {number}."))

    await asyncio.gather(*(client() for _ in range(32)))


def _chat(text: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": text}]
    return {"model": "tiny-llama", "messages": turns, "max_tokens": 8, "temperature": 0}


async def _client(http: httpx.AsyncClient, number: int, ends: float, statuses: Counter[str]) -> None:
    chat = _chat(f"Client {number} asks.")
    while time.monotonic() < ends:
        task = await _accepted(http, "/v1/tasks", INSTANCE, ends, statuses)
        if task is not None:
            events = await http.get(f"/v1/tasks/{task['id']}/events")
            statuses[f"GET events {events.status_code}"] += 1
        await _accepted(http, "/v1/chat/completions", chat, ends, statuses)


async def _accepted(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], ends: float, statuses: Counter[str]
) -> dict[str, Any] | None:
    """What is answered once the request is taken; None where the time is over before."""
    while time.monotonic() < ends:
        answer = await http.post(path, json=body)
        statuses[f"POST {path} {answer.status_code}"] += 1
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        if answer.status_code != 429 or int(answer.headers.get("Retry-After", 0)) < 1:
            raise Broken(f"{path} answered {answer.status_code}: {answer.text}")
        await asyncio.sleep(int(answer.headers["Retry-After"]))
    return None


def run(folder: Path, clients: int, seed: int, **model: Any) -> dict[str, Any]:
    """With scripted tasks of half a second, eight at once, and the tiny model's real engine for chats."""
    del seed  # who comes when is up to the server
    with Servers(folder, concurrency=8, queue_tasks=64, chat_requests=64, **model) as servers:
        return asyncio.run(crowd(servers, clients, _SECONDS))
