"""What fewer bits cost a model, on pages of this project: `python -m tests.vectors.engine.int8.losses`.

Of each token of source and of prose what it costs, how far the prediction is from that in float32 (KL), and
whether its likeliest token is the same.
"""

import argparse
import math
from pathlib import Path
from statistics import fmean

import torch

from orchestrator.settings import Settings
from vectors.engine.engine import Engine
from vectors.engine.kvcache import KeyValueCache
from vectors.engine.ragged import Pass, Piece
from vectors.models.loading import load_model

ROOT = Path(__file__).parents[4]
PAGES = {"source": "vectors/engine/*.py", "prose": "docs/*.md"}
TOKENS, OF_EACH, _PASS = 5000, 1000, 250
CPU = torch.device("cpu")


def predictions(forward, ids):
    """Log-probabilities [tokens, vocabulary] of what follows each token, in passes of 250 tokens."""
    cache = KeyValueCache(forward.shapes, len(ids), forward.dtype, CPU, forward.group)
    block = cache.allocate(len(ids))
    made = []
    for start in range(0, len(ids), _PASS):
        tokens = ids[start : start + _PASS]
        piece = Piece(block, start, tokens, wanted=range(start, start + len(tokens)))
        made.append(forward.run(Pass([piece], cache, CPU)))
    return torch.cat(made).float().log_softmax(-1)


def costs(own, ids, exact):
    """Of each token what it costs, the KL of its prediction, and whether the likeliest token is the same."""
    apart = torch.nn.functional.kl_div(own, exact, log_target=True, reduction="none").sum(-1)
    alike = own.argmax(-1) == exact.argmax(-1)
    return zip(_nats(own, ids), apart[:-1].tolist(), alike[:-1].tolist(), strict=True)


def _nats(own, ids):
    return (-own[:-1].gather(1, torch.tensor(ids[1:]).unsqueeze(1)).squeeze(1)).tolist()


def loaded(model, dtype):
    lm = load_model(model, cache=Settings().cache, dtype=dtype)
    return lm, Engine(lm.model, lm.tokenizer, eight_bits=dtype == torch.int8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    model = parser.parse_args().model
    lm, whole = loaded(model, torch.float32)
    pages = {kind: [] for kind in PAGES}
    for kind, pattern in PAGES.items():
        for path in sorted(ROOT.glob(pattern)):
            if sum(map(len, pages[kind])) < TOKENS:
                pages[kind].append(lm.encode(path.read_text(), begins=True)[:OF_EACH])
    rounded = {str(dtype): loaded(model, dtype)[1] for dtype in (torch.bfloat16, torch.int8)}
    for kind, texts in pages.items():
        nats, found = [], {name: [] for name in rounded}
        for ids in texts:
            exact = predictions(whole._forward, ids)
            nats += _nats(exact, ids)
            for name, engine in rounded.items():
                found[name] += costs(predictions(engine._forward, ids), ids, exact)
        print(f"{kind}: n = {len(nats)} tokens, perplexity {math.exp(fmean(nats)):.3f} in float32")
        for name, rows in found.items():
            differ = [mine - theirs for (mine, _, _), theirs in zip(rows, nats, strict=True)]
            error = math.sqrt(fmean((each - fmean(differ)) ** 2 for each in differ) / len(differ))
            low, high = (100 * math.expm1(fmean(differ) + way * 1.96 * error) for way in (-1, 1))
            print(
                f"  {name}: perplexity {100 * math.expm1(fmean(differ)):+.2f} % ({low:+.2f} … {high:+.2f}),"
                f" KL {fmean(apart for _, apart, _ in rows):.4f} nats,"
                f" the same likeliest token {100 * fmean(alike for _, _, alike in rows):.1f} %"
            )
    for engine in [whole, *rounded.values()]:
        engine.close()


if __name__ == "__main__":
    main()
