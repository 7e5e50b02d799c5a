"""Three columns in one run of the arena against what a client without it would do."""

import random
import time
from collections.abc import Sequence

from pydantic import JsonValue

from services.bench.loopback import Body, Client

_NEW_TOKENS = 128
"""Of a column, as many as a run has that does not say."""
_WORDS = ("loop", "returns", "list", "fails", "index", "value", "error", "test", "empty", "module", "call")
_STEERINGS: tuple[JsonValue, ...] = (
    [],
    [{"domain": "bug_analysis"}],
    [{"domain": "patch_writing"}],
)
"""The baseline and two domains at their own dose."""


def columns_against_one_by_one(model: str, client: Client, repetition: int) -> tuple[float, float]:
    """Tokens per second of three columns over those of three chats one after another, which tell the same:
    text, log-probabilities and KL; and the first token of all three columns over that of the last one alone.

    Either side has a prompt of its own, which its three requests share. A column alone is steered: its blocks
    up to the steered one are computed once for it and its unsteered twin, as for three columns. Beside an
    unsteered request three columns take at least as much longer as lies above their steered blocks.
    """
    arms = [("columns", _columns), ("chats", _chats)]
    rates: dict[str, float] = {}
    for name, arm in arms if repetition % 2 else reversed(arms):
        rates[name] = arm(model, client, _prompt(f"{name} {repetition}"))
    firsts = {}
    for count in (3, 1) if repetition % 2 else (1, 3):
        _, firsts[count] = client.shown(
            _run(model, _prompt(f"first {count} {repetition}"), _STEERINGS[-count:], 4)
        )
    return rates["columns"] / rates["chats"], firsts[3] / firsts[1]


def _columns(model: str, client: Client, prompt: str) -> float:
    began = time.perf_counter()
    tokens, _ = client.shown(_run(model, prompt, _STEERINGS, _NEW_TOKENS))
    return tokens / (time.perf_counter() - began)


def _chats(model: str, client: Client, prompt: str) -> float:
    began, tokens = time.perf_counter(), 0
    for steering in _STEERINGS:
        turns: JsonValue = [{"role": "user", "content": prompt}]
        tokens += client.tokens(
            {
                "model": model,
                "messages": turns,
                "steering": steering,
                "temperature": 0,
                "max_tokens": _NEW_TOKENS,
                "logprobs": True,
                "divergence": True,
            }
        )
    return tokens / (time.perf_counter() - began)


def _run(model: str, prompt: str, steerings: Sequence[JsonValue], new_tokens: int) -> Body:
    columns: JsonValue = [
        {"name": f"column {number}", "steering": steering} for number, steering in enumerate(steerings)
    ]
    return {"model": model, "prompt": prompt, "columns": columns, "max_tokens": new_tokens}


def _prompt(draw: str) -> str:
    return " ".join(random.Random(draw).choices(_WORDS, k=64)) + "\nWhat does this say?"
