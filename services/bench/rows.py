"""The rows of `orchestrate bench serve`. No two requests share a prompt: the second would find it cached."""

import random
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

from pydantic import BaseModel, JsonValue

from orchestrator.session import Session
from services.api.access import LOCAL
from services.bench.columns_rows import columns_against_one_by_one
from services.bench.loopback import Body, Client, serving
from services.chat.preparing import prepare
from services.chat.schemas import ChatRequest
from services.serving.exchange import Served
from services.settings import ServeSettings
from vectors.bench.machine import describe
from vectors.progress import Progress

_AT_ONCE = 16
_NEW_TOKENS = 48
_FIRST_TOKENS = 8
"""Pairs of requests, through the server and without it, of one repetition."""
_WORDS = (
    "function",
    "returns",
    "list",
    "fails",
    "index",
    "value",
    "error",
    "test",
    "empty",
    "module",
    "call",
)


class Row(BaseModel):
    """The median of `n` measurements, from the least to the most of them, and what it should be: at least the
    `target`, or with `at_most` no more.
    """

    name: str
    value: float
    target: float | None
    at_most: bool = False
    met: bool | None
    n: int
    spread: tuple[float, float]


class Measured(BaseModel):
    """`bench serve --json`."""

    machine: dict[str, str | bool | int | float | tuple[str, ...]]
    model: dict[str, str]
    rows: list[Row]


def measure(session: Session, repeats: int, progress: Progress) -> Measured:
    """All rows on this machine and this model."""
    machine = describe("cpu")
    ratios: list[float] = []
    shares: list[float] = []
    added: list[float] = []
    columns: list[float] = []
    begun: list[float] = []
    with serving(session) as (served, client):
        _together(client, _requests(served, "warm-up"))
        for repetition in range(repeats):
            progress("measuring the server", repetition, repeats)
            ratios.append(_throughput(served, client, repetition))
            through, direct = _first_tokens(served, client, repetition)
            added.append(1000 * (through - direct))
            shares.append((through - direct) / direct)
            faster, later = columns_against_one_by_one(served.name, client, repetition)
            columns.append(faster)
            begun.append(later)
        progress("measuring the server", repeats, repeats)
        model = {"id": served.name, "dtype": str(served.lm.dtype).removeprefix("torch.")}
    return Measured(
        machine=asdict(machine) | {"busy": machine.busy},
        model=model,
        rows=[
            _row("mixed16_vs_one_by_one", ratios, target=6.0),
            _row("http_share_of_first_token", shares),
            _row("http_added_ms_to_first_token", added),
            _row("columns3_vs_one_by_one", columns, target=2.2),
            _row("columns3_first_token_vs_one_steered", begun, target=1.3, at_most=True),
        ],
    )


def _throughput(served: Served, client: Client, repetition: int) -> float:
    """Tokens per second of sixteen requests at once over those of sixteen like them one after another."""
    arms = [(_together, "at once"), (_one_by_one, "one by one")]
    rates = {}
    for arm, name in arms if repetition % 2 else reversed(arms):
        rates[name] = arm(client, _requests(served, f"{name} {repetition}"))
    return rates["at once"] / rates["one by one"]


def _together(client: Client, requests: Sequence[Body]) -> float:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        began = time.perf_counter()
        tokens = sum(pool.map(client.tokens, requests))
        return tokens / (time.perf_counter() - began)


def _one_by_one(client: Client, requests: Sequence[Body]) -> float:
    began = time.perf_counter()
    tokens = sum(map(client.tokens, requests))
    return tokens / (time.perf_counter() - began)


def _first_tokens(served: Served, client: Client, repetition: int) -> tuple[float, float]:
    """Median seconds to the first text through the server, and of the engine alone, one of each in turn."""
    through, direct = [], []
    requests = _requests(served, f"first {repetition}", 2 * _FIRST_TOKENS)
    for ours, theirs in zip(requests[::2], requests[1::2], strict=True):
        through.append(client.first_token_s({**ours, "max_tokens": 4}))
        direct.append(_engine_s(served, {**theirs, "max_tokens": 4}))
    return statistics.median(through), statistics.median(direct)


def _engine_s(served: Served, body: Body) -> float:
    settings = ServeSettings(prompt_tokens=served.lm.context_length)
    request = prepare(served, settings, LOCAL, ChatRequest.model_validate(body)).request
    told: list[float] = []

    def note(piece: str) -> None:
        if piece:
            told.append(time.perf_counter())

    began = time.perf_counter()
    served.engine.submit(replace(request, on_token=note)).result()
    return (told[0] if told else time.perf_counter()) - began


def _requests(served: Served, draw: str, count: int = _AT_ONCE) -> list[Body]:
    """Requests with a steering each, of other layers, directions and strengths; the draw decides which."""
    chance, lm = random.Random(draw), served.lm
    norms = served.vectors.get(LOCAL, served.name, "bug_analysis").vector.residual_norms
    found: list[Body] = []
    for number in range(count):
        layer = number * (lm.n_layers - 1) // max(count - 1, 1)
        steering: JsonValue = {
            "vector": [chance.gauss(0, 1) for _ in range(lm.d_model)],
            "layer": layer,
            "alpha": round(chance.uniform(0.2, 0.5) * float(norms[layer]), 3),
        }
        text = " ".join(chance.choices(_WORDS, k=64))
        turns: JsonValue = [{"role": "user", "content": f"{text}\nWhat does this say?"}]
        found.append(
            {
                "model": served.name,
                "messages": turns,
                "temperature": 0,
                "max_tokens": _NEW_TOKENS,
                "steering": steering,
            }
        )
    return found


def _row(name: str, values: Sequence[float], target: float | None = None, *, at_most: bool = False) -> Row:
    value = statistics.median(values)
    return Row(
        name=name,
        value=float(f"{value:.4g}"),
        target=target,
        at_most=at_most,
        met=None if target is None else (value <= target if at_most else value >= target),
        n=len(values),
        spread=(float(f"{min(values):.4g}"), float(f"{max(values):.4g}")),
    )
