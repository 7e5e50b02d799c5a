"""Hundreds of chats at once, no two alike: each that ends must be what it is when it is asked alone.

They differ in steering, length, sampling and seed, some are streamed and some of the clients leave in the
middle. Of a stream that was left, what came must be how the whole answer begins.
"""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.services.load.servers import Broken, Servers

_WORDS = [
    "the",
    "list",
    "is",
    "empty",
    "a",
    "reading",
    "fails",
    "mean",
    "of",
    "none",
    "divides",
    "by",
    "zero",
]


async def mixed(servers: Servers, count: int, seed: int) -> dict[str, Any]:
    """So many at once and then one by one. Raises Broken where an answer differs."""
    chance = random.Random(seed)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=servers.url, timeout=600, limits=limits) as http:
        await servers.start(http)
        model = (await http.get("/v1/models")).json()["data"][0]
        requests = [_request(chance, model) for _ in range(count)]
        leaving = [request["stream"] and chance.random() < 0.25 for request in requests]
        together = await asyncio.gather(
            *(_ask(http, each, 3 if leaves else None) for each, leaves in zip(requests, leaving, strict=True))
        )
        passes, tokens = await _engine(http)
        alone = [await _ask(http, request, None) for request in requests]
    for number, (whole, got, left) in enumerate(zip(alone, together, leaving, strict=True)):
        same = whole[0].startswith(got[0]) if left else whole == got
        if not same:
            raise Broken(f"request {number}, {requests[number]}: alone {whole}, together {got}")
    kinds = Counter(_kind(request) for request in requests)
    return {
        "model": model["id"],
        "requests": count,
        "seed": seed,
        "equal": count - sum(leaving),
        "left_and_equal_so_far": sum(leaving),
        "streamed": sum(request["stream"] for request in requests),
        "sampled": sum(request["temperature"] > 0 for request in requests),
        "steerings": dict(sorted(kinds.items())),
        "distinct_answers": len({whole[0] for whole in alone}),
        "new_tokens": tokens,
        "new_tokens_a_pass": round(tokens / passes, 1),
    }


def _request(chance: random.Random, model: dict[str, Any]) -> dict[str, Any]:
    text = " ".join(chance.choices(_WORDS, k=chance.randint(3, 120)))
    body: dict[str, Any] = {
        "model": model["id"],
        "messages": [{"role": "user", "content": text}],
        "max_tokens": chance.randint(1, 40),
        "temperature": chance.choice([0, 0, 0.7, 1.3]),
        "top_p": chance.choice([1, 0.9]),
        "seed": chance.randrange(2**31),
        "stream": chance.random() < 0.5,
    }
    if chance.random() < 0.2:
        body["stop"] = [chance.choice(["e", " a", "\n"])]
    kind = chance.choice(["none", "domain", "vector", "vector"])
    where = {"layer": chance.randrange(model["blocks"]), "alpha": round(chance.uniform(2, 40), 1)}
    how = {"mode": chance.choice(["add", "multiply"]), "positions": chance.choice(["all", "generated"])}
    if kind == "domain":
        domain = chance.choice(["code_reading", "bug_analysis", "patch_writing"])
        body["steering"] = {"domain": domain, **where, **how}
    elif kind == "vector":
        vector = [round(chance.gauss(0, 1), 3) for _ in range(model["d_model"])]
        body["steering"] = {"vector": vector, **where, **how}
    return body


def _kind(request: dict[str, Any]) -> str:
    steering = request.get("steering")
    return f"{next(iter(steering))} {steering['mode']} {steering['positions']}" if steering else "none"


async def _ask(
    http: httpx.AsyncClient, body: dict[str, Any], leave_after: int | None
) -> tuple[str, str | None]:
    """The answer's text and why it ended; of a stream that is left after so many pieces, what came."""
    if not body["stream"]:
        answer = await http.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            raise Broken(f"a chat was answered {answer.status_code}: {answer.text}")
        choice = answer.json()["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    text, pieces, reason = "", 0, None
    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            choice = json.loads(line.removeprefix("data: "))["choices"][0]
            text += choice["delta"].get("content", "")
            reason = choice["finish_reason"]
            pieces += 1
            if pieces == leave_after:
                break
    return text, reason


async def _engine(http: httpx.AsyncClient) -> tuple[float, float]:
    """Passes and new tokens so far."""
    lines = (await http.get("/metrics")).text.splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("orchestrate_engine_"))
    return (
        float(found["orchestrate_engine_passes"]),
        float(found['orchestrate_engine_tokens{kind="new"}']),
    )


def run(folder: Path, requests: int, seed: int, **model: Any) -> dict[str, Any]:
    """All of them are taken in at once; the engine runs 32 and the others wait."""
    limits = {"chat_requests": requests, "chat_tokens": 10**7}
    with Servers(folder, **limits, **model) as servers:
        return asyncio.run(mixed(servers, requests, seed))
