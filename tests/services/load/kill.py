"""`kill -9` of the server at random moments: no task may be lost or finished twice, no event be missing.

Clients create tasks with idempotency keys and follow their events, come back after each kill with the last
number they saw, and compare what they were told with a replay in the end.
"""

import asyncio
import random
import re
import secrets
import time
from pathlib import Path
from typing import Any

import httpx

from tests.services.conftest import INSTANCE
from tests.services.load.servers import Broken, Servers

_UNFINISHED = 12
"""Tasks that are waiting or running at any moment, each followed by two readers."""
_OVER = re.compile(r"^event: (result|failed|cancelled)$", re.MULTILINE)
_ID = re.compile(r"^id: ([0-9]+)$", re.MULTILINE)


async def kill(servers: Servers, kills: int, seed: int, body: dict[str, Any] = INSTANCE) -> dict[str, Any]:
    """Kill and restart so many times under load, then let everything end. Raises Broken."""
    chance, hit, restarts = random.Random(seed), [], []
    async with httpx.AsyncClient(base_url=servers.url, timeout=40, limits=httpx.Limits()) as http:
        await servers.start(http)
        load = _Load(http, body)
        loading = asyncio.create_task(load.run())
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.1, 2.5))
            hit.append(len(load.unfinished))
            servers.kill()
            restarts.append(await servers.start(http))
        load.enough = True
        followed = await loading
        await _check(http, followed)
    return {
        "kills": kills,
        "seed": seed,
        "tasks": len(followed),
        "events": sum(len(first) for first, _ in followed.values()),
        "streams_compared_with_their_replay": 2 * len(followed),
        "streams_that_came_back": load.came_back,
        "unfinished_tasks_at_a_kill": {"mean": sum(hit) / kills, "least": min(hit)},
        "restart_s": {"median": sorted(restarts)[kills // 2], "most": max(restarts)},
    }


class _Load:
    def __init__(self, http: httpx.AsyncClient, body: dict[str, Any]) -> None:
        self._http, self._body = http, body
        self.enough = False
        self.unfinished: set[str] = set()
        self.came_back = 0

    async def run(self) -> dict[str, tuple[list[str], list[str]]]:
        """What two readers were told of each task that was created."""
        found: dict[str, tuple[list[str], list[str]]] = {}

        async def client() -> None:
            while not self.enough:
                task = await self._create()
                self.unfinished.add(task)
                first, second = await asyncio.gather(self._follow(task), self._follow(task))
                self.unfinished.discard(task)
                found[task] = first, second

        await asyncio.gather(*(client() for _ in range(_UNFINISHED)))
        return found

    async def _create(self) -> str:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        while True:
            try:
                answer = await self._http.post("/v1/tasks", json=self._body, headers=key)
                if answer.status_code == 202:
                    task: str = answer.json()["id"]
                    return task
                if answer.status_code not in (429, 503):
                    raise Broken(f"a task was refused: {answer.text}")
            except httpx.TransportError:
                self.came_back += 1
            await asyncio.sleep(0.05)

    async def _follow(self, task: str) -> list[str]:
        """Every frame of a task's events, coming back until it is over."""
        frames: list[str] = []
        until = time.monotonic() + 300
        while not (frames and _OVER.search(frames[-1])):
            if time.monotonic() > until:
                raise Broken(f"{task} is lost: its last event is {frames[-1:]}")
            try:
                await self._read(task, frames)
            except httpx.TransportError:
                self.came_back += 1
                await asyncio.sleep(0.05)
        return frames

    async def _read(self, task: str, frames: list[str]) -> None:
        seen = {"Last-Event-ID": str(_number(frames[-1]))} if frames else {}
        async with self._http.stream("GET", f"/v1/tasks/{task}/events", headers=seen) as answer:
            if answer.status_code != 200:
                raise Broken(f"{task}'s events: status {answer.status_code}")
            text = ""
            async for piece in answer.aiter_text():
                *whole, text = (text + piece).split("\n\n")
                frames += [frame for frame in whole if _ID.search(frame)]


async def _check(http: httpx.AsyncClient, followed: dict[str, tuple[list[str], list[str]]]) -> None:
    stored = await _listed(http)
    if stored.keys() != followed.keys():
        raise Broken(f"{len(stored)} tasks are stored, {len(followed)} were created")
    for task, readers in followed.items():
        text = (await http.get(f"/v1/tasks/{task}/events")).text
        replay = text.removesuffix("\n\n").split("\n\n")
        if [_number(frame) for frame in replay] != list(range(1, len(replay) + 1)):
            raise Broken(f"{task}'s events have gaps")
        if any(told != replay for told in readers):
            raise Broken(f"{task}: a reader was told something else than the replay says")
        if stored[task] != "completed" or sum(bool(_OVER.search(frame)) for frame in replay) != 1:
            raise Broken(f"{task} is {stored[task]}: {replay[-1]}")


async def _listed(http: httpx.AsyncClient) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor: dict[str, str] = {}
    while True:
        page = (await http.get("/v1/tasks", params={"limit": 100, **cursor})).json()
        found |= {task["id"]: task["state"] for task in page["data"]}
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def _number(frame: str) -> int:
    found = _ID.search(frame)
    assert found is not None
    return int(found[1])


def run(folder: Path, kills: int, seed: int, **model: Any) -> dict[str, Any]:
    """With scripted tasks of half a second, and leases that end a second after a kill."""
    with Servers(folder, lease_s=1, concurrency=6, queue_tasks=1000, **model) as servers:
        return asyncio.run(kill(servers, kills, seed))
