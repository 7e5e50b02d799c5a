"""Random lists of interventions on a real model, through the engine in mixed batches and by plain hooks.

`python -m tests.vectors.steering --lists 1000` says how many rows differ, and shows each difference: a choice
between two tokens that are as likely but for rounding, or a condition whose reading lies on its threshold.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch

from orchestrator.settings import Settings
from tests.vectors.engine.batches import run
from tests.vectors.steering import draws, oracle
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import SteeringMismatch
from vectors.models.blocks import recording
from vectors.models.loading import load_model
from vectors.steering.positions import Layout, Turn

NEW, ROWS = 6, 16
NEAR = 1e-2
"""How far apart logits, or a reading and its threshold as a share of the residual's norm, may be in a tie."""


def requests_of(draw, tokens, norms, width, count):
    """Rows of which many begin alike, each with up to four interventions."""
    made = []
    for _ in range(count):
        shared = draw.choice([0, 0, 36, 48])
        start = draw.randrange(len(tokens) - 64)
        ids = (*tokens[:shared], *tokens[start : start + draw.randint(4, 24)])
        third = len(ids) // 3
        turns = (Turn("system", 0, third), Turn("user", third, 2 * third))
        steering = draws.steering(draw, ids, norms, width)
        made.append(GenerationRequest(ids, steering, Sampling(NEW), turns=turns))
    return made


def difference(model, request, token_ids, special, norms):
    """What is different about a row, as facts; None where it is what hooks make of it."""
    layout, found = Layout(len(request.prompt_ids), request.turns, special), {}
    ids = (*request.prompt_ids, *token_ids[:-1])
    logits = oracle.logits_of(model, ids, request.steering, layout, found)[len(request.prompt_ids) - 1 :]
    for number, (token, each) in enumerate(zip(token_ids, logits, strict=True)):
        best = int(each.argmax())
        if token == best:
            continue
        nearest = min(
            (
                abs(off) / (1.0 if when.measure == "cosine" else norms[when.probe.layer])
                for (which, place), off in found.items()
                if (when := request.steering[which].when) and place <= len(request.prompt_ids) + number
            ),
            default=1.0,
        )
        margin = float(each[best] - each[token])
        return {
            "number": number,
            "tokens": [token, best],
            "margin": margin,
            "nearest_condition": nearest,
            "tie": margin < NEAR or nearest < NEAR / 10,
        }
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # what the hooks do token by token is too little for more
    settings, draw = Settings(), random.Random(asked.seed)
    made, plain = (load_model(settings.model, cache=settings.cache, dtype=torch.float32) for _ in range(2))
    tokens = made.encode(Path(json.__file__).read_text(), begins=False)[:4000]
    with recording(plain.model) as captured, torch.inference_mode():
        plain.model(input_ids=torch.tensor([tokens[:64]]))
    norms = [float(each.reshape(-1, made.d_model)[1:].norm(dim=-1).mean()) for each in captured.values()]
    special, counts, began = made.tokenizer.unwritten_ids, {"rows": 0, "same": 0, "ties": 0}, time.monotonic()
    interventions, changed = 0, 0
    with Engine(made.model, made.tokenizer, max_rows=ROWS, endless=True) as engine:
        while counts["rows"] < asked.lists:
            batch = []
            for each in requests_of(draw, tokens, norms, made.d_model, ROWS):
                try:
                    engine._intake.row(each)
                except SteeringMismatch:
                    continue
                batch.append(each)
            for request, generation in zip(batch, run(engine, *batch), strict=True):
                found = difference(plain.model, request, generation.token_ids, special, norms)
                interventions += len(request.steering)
                changed += sum(count > 0 for count in generation.steered_tokens)
                counts["rows"] += 1
                counts["same"] += found is None
                counts["ties"] += found is not None and found["tie"]
                if found is not None:
                    print(json.dumps(found), flush=True)
            print(counts, f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        reused = engine.stats().done.reused_tokens
    differ = counts["rows"] - counts["same"] - counts["ties"]
    facts = {"interventions": interventions, "that_changed_tokens": changed, "reused_tokens": round(reused)}
    print(json.dumps({**counts, **facts, "differ": differ}))
    return differ > 0


if __name__ == "__main__":
    sys.exit(main())
