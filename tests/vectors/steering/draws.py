"""Random interventions, for tests that hold whatever they are."""

import random

import torch

from vectors.operations import feature, low_rank
from vectors.steering.intervention import Condition, Intervention, Probe
from vectors.steering.positions import (
    ALL,
    GENERATED,
    Both,
    Either,
    Generated,
    Last,
    Not,
    Prompt,
    Said,
    Special,
    TokenIs,
    Window,
)

OPERATIONS = ("add", "multiply", "ablate", "replace", "cap", "floor", "clamp", "low_rank", "feature")


def vector(draw: random.Random, width):
    return torch.randn(width, generator=torch.Generator().manual_seed(draw.getrandbits(31)))


def positions(draw: random.Random, ids, depth=1):
    """Positions that mostly hold for some token of a prompt."""
    n = len(ids)
    simple = [
        ALL,
        ALL,
        GENERATED,
        Prompt(),
        Last(),
        Special(),
        Generated(0, draw.randint(1, 3)),
        Generated(draw.randint(1, 3)),
        Window(draw.randrange(n), None),
        Window(-draw.randint(1, n), -1),
        TokenIs(draw.choice(ids)),
        Said(draw.choice(["system", "user", "assistant"])),
    ]
    if depth and draw.random() < 0.3:
        parts = tuple(positions(draw, ids, 0) for _ in range(2))
        return draw.choice([Not(parts[0]), Both(parts), Either(parts)])
    return draw.choice(simple)


def intervention(draw: random.Random, ids, norms, width, share=0.3):
    """One that moves the residual by up to `share` of its norm, at a layer of `norms` [layers]."""
    layer = draw.randrange(len(norms))
    norm, operation = norms[layer], draw.choice(OPERATIONS)
    size = draw.uniform(0.05, share) * norm
    direction = vector(draw, width)
    alpha = draw.choice([1, -1]) * {"multiply": size / norm * width**0.5, "ablate": 1.0}.get(operation, size)
    if operation == "low_rank":
        rotation = torch.linalg.qr(torch.stack([vector(draw, width) for _ in range(2)], 1))[0].T
        weight = torch.stack([vector(draw, width) for _ in range(2)]) / width**0.5
        direction, alpha = low_rank.packed(rotation, weight, vector(draw, 2)), draw.uniform(-0.5, 0.5)
    elif operation == "feature":
        decoder = direction / direction.norm()
        encoder = vector(draw, width) / width**0.5
        direction = feature.packed(encoder, decoder, draw.uniform(-1, 1), draw.uniform(0, 1))
        alpha = abs(size)
    when = None
    if draw.random() < 0.3:
        cosine = draw.random() < 0.5
        threshold = draw.gauss(0, 0.03) * (1 if cosine else norm)
        probe = Probe(vector(draw, width), draw.randint(0, layer))
        when = Condition(probe, draw.random() < 0.5, threshold, "cosine" if cosine else "projection")
    return Intervention(direction, layer, alpha, operation, positions(draw, ids), when)


def steering(draw: random.Random, ids, norms, width, most=4, share=0.3):
    """A list of them, perhaps empty."""
    return tuple(intervention(draw, ids, norms, width, share) for _ in range(draw.randint(0, most)))
