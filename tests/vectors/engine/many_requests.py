"""Many requests at once against one engine, from threads and an event loop, each held to its solo run.

Run on a real model with `python -m tests.vectors.engine.many_requests --n 1000 --model smollm2-135m`.
"""

import argparse
import asyncio
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tests.vectors.engine.batches import hooked_logits
from tests.vectors.tiny import steer
from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.errors import GenerationFault
from vectors.models.blocks import context_length, n_layers
from vectors.steering.positions import ALL, GENERATED

_THREADS = 8
_SCORE_ERROR = 1e-3  # nats; float32 sums in another order differ by some 1e-5


@dataclass(frozen=True)
class Asked:
    """A request, when it arrives and is given up (seconds from the start), and where its caller fails."""

    number: int
    request: GenerationRequest
    arrives: float
    cancelled: float | None
    fault_at: int | None


@dataclass
class Report:
    """What came of a crowd. `rss_mib` is before it and after each third of its time."""

    n: int
    compared: int = 0
    cancelled: int = 0
    faulted: int = 0
    steered: int = 0
    differing: list[str] = field(default_factory=list)
    ties: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    rss_mib: list[float] = field(default_factory=list)
    reused_share: float = 0.0
    hooks: tuple[int, int] = (0, 0)
    left: tuple[int, int, int] = (0, 0, 0)

    def lines(self) -> list[str]:
        """The report as text."""
        return [
            f"n {self.n}: {self.compared} compared, {self.steered} of them steered; "
            f"{self.cancelled} cancelled, {self.faulted} failed as their callers did; {self.seconds:.1f} s",
            f"differing {len(self.differing)}, of which ties {self.ties}",
            *self.differing,
            f"wrong {len(self.wrong)}",
            *self.wrong,
            "RSS before it and after each third, MiB: " + ", ".join(f"{each:.0f}" for each in self.rss_mib),
            f"prompt tokens reused {self.reused_share:.0%}",
            f"hooks before {self.hooks[0]}, after {self.hooks[1]}",
            "left: {} running, {} waiting, {} cache tokens once prefixes are dropped".format(*self.left),
        ]


def crowd(
    model: Any, pool: Sequence[int], n: int, distinct: int, seed: int, longest: int, new: int, over_s: float
) -> list[Asked]:
    """`n` requests drawn from `distinct` ones: prompts from `pool` that share beginnings, random steering.

    They arrive at random within `over_s` seconds; a tenth is cancelled, at once or within ten times as long,
    and of another tenth `on_token` raises.
    """
    chance = random.Random(seed)
    layers = n_layers(model)
    steerings = [
        steer(
            model,
            chance.randrange(layers),
            chance.uniform(0.3, 1.0),
            seed=number,
            operation=chance.choice(["add", "multiply"]),
            positions=chance.choice([ALL, ALL, GENERATED]),
        )
        for number in range(24)
    ]
    requests = []
    for _ in range(distinct):
        start = chance.randrange(6) * longest  # six beginnings that many share, as far as each goes
        shared = chance.randrange(longest)
        tail = chance.randrange(len(pool) - 8)
        ids = (*pool[start : start + shared], *pool[tail : tail + chance.randint(2, 8)])
        steering = chance.choice([(), *chance.sample(steerings, 3)])
        kind = chance.random()
        follow = tuple(pool[tail + 1 : tail + chance.randint(2, 6)])
        if kind < 0.1:
            requests.append(scoring(ids, follow, steering))
        else:
            forced = follow if kind < 0.2 else ()
            sampling = Sampling(chance.randint(1, new) + len(forced), forced_ids=forced)
            requests.append(GenerationRequest(ids, steering, sampling))
    asked = []
    for number in range(n):
        fate = chance.random()
        arrives = chance.uniform(0, over_s)
        asked.append(
            Asked(
                number,
                requests[number % distinct],
                arrives,
                arrives + chance.choice([0, 1, 10]) * chance.uniform(0, over_s) if fate < 0.1 else None,
                chance.randint(1, new) if fate > 0.9 else None,
            )
        )
    return asked


class _CallerFailed(Exception):
    """What a caller's `on_token` raises."""


def _prepared(asked: Asked) -> GenerationRequest:
    """The request with an `on_token` that fails where it should."""
    calls = 0

    def on_token(_piece: str) -> None:
        nonlocal calls
        calls += 1
        if calls == asked.fault_at:
            raise _CallerFailed(str(asked.number))

    return replace(asked.request, on_token=on_token)


_Outcomes = dict[int, Generation | BaseException]


def _from_thread(engine: Engine, mine: Sequence[Asked], began: float, outcomes: _Outcomes) -> None:
    """Submit as time comes, cancel as time comes, and wait for all."""
    tickets = {}
    events = [(each.arrives, each.number, each) for each in mine]
    events += [(each.cancelled, each.number, each) for each in mine if each.cancelled is not None]
    for due, number, each in sorted(events, key=lambda event: event[:2]):
        time.sleep(max(0.0, began + due - time.monotonic()))
        if number in tickets:
            tickets[number].cancel()
        else:
            tickets[number] = engine.submit(_prepared(each))
    for number, ticket in tickets.items():
        try:
            outcomes[number] = ticket.result(3600)
        except Exception as error:
            outcomes[number] = error


async def _from_loop(engine: Engine, mine: Sequence[Asked], began: float, outcomes: _Outcomes) -> None:
    """One task for each request; a cancelled one is given up by its task."""

    async def one(each: Asked) -> None:
        await asyncio.sleep(max(0.0, began + each.arrives - time.monotonic()))
        ticket = engine.submit(_prepared(each))
        try:
            wait = None if each.cancelled is None else max(0.0, began + each.cancelled - time.monotonic())
            outcomes[each.number] = await asyncio.wait_for(ticket, wait)
        except TimeoutError:
            outcomes[each.number] = await ticket
        except Exception as error:
            outcomes[each.number] = error

    await asyncio.gather(*(one(each) for each in mine))


def _run_all(engine: Engine, asked: Sequence[Asked]) -> _Outcomes:
    """Half of the crowd from threads and half from an event loop, all at the same time."""
    outcomes: _Outcomes = {}
    began = time.monotonic()
    loop = threading.Thread(target=lambda: asyncio.run(_from_loop(engine, asked[::2], began, outcomes)))
    loop.start()
    others = asked[1::2]
    with ThreadPoolExecutor(_THREADS) as threads:
        jobs = [
            threads.submit(_from_thread, engine, others[n::_THREADS], began, outcomes)
            for n in range(_THREADS)
        ]
    loop.join()
    for job in jobs:
        job.result()
    return outcomes


def check(
    model: Any,
    tokenizer: Any,
    asked: Sequence[Asked],
    solo: Callable[[GenerationRequest], tuple[tuple[int, ...], tuple[float, ...]]],
    cache_tokens: int,
    said: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the crowd on one engine and compare every row with its solo run.

    `solo` gives a request's tokens and scores when it runs alone. Rows that were cancelled are compared as
    far as they came.
    """
    report = Report(len(asked))
    before = _hooks(model)
    memory, ended = [_rss_mib()], threading.Event()
    with Engine(model, tokenizer, cache_tokens=cache_tokens) as engine:

        def watch() -> None:
            while not ended.wait(0.2):
                memory.append(_rss_mib())
                if len(memory) % 100 == 0:
                    stats = engine.stats()
                    said(f"{stats.waiting} wait, {stats.done.rows} began, {memory[-1]:.0f} MiB")

        watching = threading.Thread(target=watch)
        watching.start()
        began = time.monotonic()
        outcomes = _run_all(engine, asked)
        report.seconds = time.monotonic() - began
        ended.set()
        watching.join()
        memory.append(_rss_mib())
        report.rss_mib = [memory[part * (len(memory) - 1) // 3] for part in range(4)]
        done = engine.stats().done
        report.reused_share = done.reused_tokens / max(1, done.prompt_tokens)
    while engine._prefixes.evict():
        pass
    stats = engine.stats()
    report.left = (stats.running, stats.waiting, stats.cache_tokens_used)
    report.hooks = (before, _hooks(model))
    alone: dict[int, tuple[tuple[int, ...], tuple[float, ...]]] = {}
    for count, each in enumerate(asked):
        if id(each.request) not in alone:
            alone[id(each.request)] = solo(each.request)
        _compare(model, each, outcomes.get(each.number), alone[id(each.request)], report)
        if count % 50 == 0:
            said(f"compared {count} of {len(asked)}")
    return report


def _compare(
    model: Any,
    each: Asked,
    found: Generation | BaseException | None,
    alone: tuple[tuple[int, ...], tuple[float, ...]],
    report: Report,
) -> None:
    tokens, scores = alone
    if isinstance(found, GenerationFault) and isinstance(found.__cause__, _CallerFailed):
        report.faulted += 1
        if each.fault_at is None or str(found.__cause__) != str(each.number):
            report.wrong.append(f"request {each.number} failed as request {found.__cause__} should have")
        return
    if not isinstance(found, Generation):
        report.wrong.append(f"request {each.number}: {found!r}")
        return
    if found.finish_reason == "cancelled":
        report.cancelled += 1
        if each.cancelled is None:
            report.wrong.append(f"request {each.number} was cancelled by nobody")
        tokens, scores = tokens[: found.new_tokens], scores[: found.new_tokens]
    elif each.fault_at is not None and each.fault_at <= len(tokens):
        report.wrong.append(f"request {each.number} should have failed at token {each.fault_at}")
    report.compared += 1
    report.steered += bool(each.request.steering)
    if len(found.logprobs) != len(scores) or any(
        abs(one - other) > _SCORE_ERROR for one, other in zip(found.logprobs, scores, strict=True)
    ):
        report.wrong.append(f"request {each.number} has other scores than alone")
    if found.token_ids != tokens:
        pairs = enumerate(zip(found.token_ids, tokens, strict=False))
        at = next((at for at, (one, other) in pairs if one != other), None)
        if at is None:
            report.wrong.append(f"request {each.number} has {found.new_tokens} tokens, alone {len(tokens)}")
            return
        gap = logit_gap(model, each.request, tokens[:at], found.token_ids[at], tokens[at])
        report.ties += gap < _SCORE_ERROR
        report.differing.append(
            f"request {each.number} differs at new token {at}: "
            f"{found.token_ids[at]} instead of {tokens[at]}, whose logits are {gap:.2e} apart"
        )


def logit_gap(model: Any, request: GenerationRequest, before: Sequence[int], one: int, other: int) -> float:
    """How far apart the model, under a plain hook, sees two tokens after the prompt and `before`."""
    ids = (*request.prompt_ids, *before)
    logits = hooked_logits(model, ids, request.steering, len(request.prompt_ids))[-1]
    return float((logits[one] - logits[other]).abs())


def alone_on(engine: Engine) -> Callable[[GenerationRequest], tuple[tuple[int, ...], tuple[float, ...]]]:
    """Solo runs on an engine of its own, which keeps nothing from one to the next."""

    def solo(request: GenerationRequest) -> tuple[tuple[int, ...], tuple[float, ...]]:
        while engine._prefixes.evict():
            pass
        generation = engine.submit(request).result(3600)
        return generation.token_ids, generation.logprobs

    return solo


def _hooks(model: Any) -> int:
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in model.modules())


def _rss_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a crowd on a named model in float32 and print the report; 1 where a row differs and is no tie."""
    import platformdirs

    from vectors.models.loading import load_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--distinct", type=int, help="different requests among them; all by default")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--longest", type=int, default=250, help="shared prompt tokens at most")
    parser.add_argument("--new", type=int, default=16, help="new tokens at most")
    parser.add_argument("--cache-tokens", type=int, default=16_384)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)

    def said(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    lm = load_model(given.model, cache=platformdirs.user_cache_path("orchestrate"), dtype=torch.float32)
    sources = sorted((Path(__file__).parents[3] / "vectors").rglob("*.py"))
    pool = lm.encode("\n".join(path.read_text() for path in sources), begins=True)
    assert len(pool) > 6 * given.longest and given.longest + given.new + 20 < context_length(lm.model)
    asked = crowd(
        lm.model, pool, given.n, given.distinct or given.n, given.seed, given.longest, given.new, over_s=5.0
    )
    said(f"{given.n} requests, {torch.get_num_threads()} threads")
    with Engine(lm.model, lm.tokenizer, max_rows=1, cache_tokens=1024) as lone:
        report = check(lm.model, lm.tokenizer, asked, alone_on(lone), given.cache_tokens, said)
    print("\n".join(report.lines()))
    return int(len(report.differing) > report.ties or bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main())
