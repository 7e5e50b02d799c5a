"""Hundreds of chats at once, no two alike: each that ends must be what it is when it is asked alone.

They differ in steering, length, sampling and seed, some are streamed and some of the clients leave in the
middle. Of a stream that was left, what came must be how the whole answer begins.

A product rounds differently in batches of different size, in float32 too. Where two next tokens are so close
that this decides, an answer parts from itself; that is counted. Another request's steering would show long
before: the model's log-probabilities of all tokens up to there must be the same but for rounding.
"""

import asyncio
import json
import random
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

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
_ROUNDING = 0.01
"""Nats. A wrong steering moves log-probabilities by tenths and more."""


class Answer(NamedTuple):
    """Text, why it ended, and the tokens; their log-probabilities are the model's, in nats."""

    text: str
    reason: str | None
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]


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
    parted, furthest = [], 0.0
    for number, (whole, got, left) in enumerate(zip(alone, together, leaving, strict=True)):
        same = whole.text.startswith(got.text) if left else whole[:3] == got[:3]
        difference = _difference(whole, got)
        furthest = max(furthest, difference)
        if difference > _ROUNDING:
            raise Broken(f"request {number}, {requests[number]}: alone {whole}, together {got}")
        if not same:
            parted.append(number)
    kinds = Counter(_kind(request) for request in requests)
    return {
        "model": model["id"],
        "requests": count,
        "seed": seed,
        "equal": count - len(parted),
        "of_them_left_early": sum(leaves for number, leaves in enumerate(leaving) if number not in parted),
        "parted_by_rounding": parted,
        "most_logprob_difference": furthest,
        "streamed": sum(request["stream"] for request in requests),
        "sampled": sum(request["temperature"] > 0 for request in requests),
        "steerings": dict(sorted(kinds.items())),
        "distinct_answers": len({whole.text for whole in alone}),
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
        "logprobs": True,
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


async def _ask(http: httpx.AsyncClient, body: dict[str, Any], leave_after: int | None) -> Answer:
    """The answer; of a stream that is left after so many pieces, what came."""
    if not body["stream"]:
        answer = await http.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            raise Broken(f"a chat was answered {answer.status_code}: {answer.text}")
        choice = answer.json()["choices"][0]
        return _answer(choice["message"]["content"], choice["finish_reason"], [choice])
    choices: list[dict[str, Any]] = []
    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            choices += json.loads(line.removeprefix("data: "))["choices"]
            if len(choices) == leave_after:
                break
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    return _answer(text, choices[-1]["finish_reason"], choices)


def _answer(text: str, reason: str | None, choices: list[dict[str, Any]]) -> Answer:
    told = [each for choice in choices if choice["logprobs"] for each in choice["logprobs"]["content"]]
    return Answer(text, reason, tuple(t["token"] for t in told), tuple(t["logprob"] for t in told))


def _difference(one: Answer, other: Answer) -> float:
    """The most that log-probabilities differ, in nats, as far as both have the same tokens."""
    pairs = zip(one.tokens, other.tokens, one.logprobs, other.logprobs, strict=False)
    shared = takewhile(lambda pair: pair[0] == pair[1], pairs)
    return max((abs(here - there) for _, _, here, there in shared), default=0.0)


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
