"""Requests that differ in everything, and ways to run them in one batch."""

import threading
from contextlib import contextmanager

import torch

from tests.vectors.tiny import (
    prompt,
    steer,
)
from vectors.decoding import Batch
from vectors.engine import GenerationRequest
from vectors.sampling import Sampling

NEW = 12
LENGTHS = (5, 23, 1, 14, 40, 9, 2)


def mixed_steerings(model):
    """Own vector, layer, α, mode and positions for every row but the first and the fourth."""
    return [
        None,
        steer(model, 1, 0.8, seed=1),
        steer(model, 2, 0.8, seed=2, mode="multiply"),
        None,
        steer(model, 0, 0.6, seed=3, positions="generated"),
        steer(model, 3, 1.0, seed=4),
        steer(model, 1, 0.8, seed=5, mode="multiply", positions="generated"),
    ]


def mixed_requests(model):
    prompts = [prompt(i, length) for i, length in enumerate(LENGTHS)]
    return [
        GenerationRequest(ids, steering, Sampling(NEW))
        for ids, steering in zip(prompts, mixed_steerings(model), strict=True)
    ]


@contextmanager
def busy(engine):
    """Keep the engine busy, so that what is submitted inside waits together and shares a batch."""
    release, began = threading.Event(), threading.Event()
    blocker = GenerationRequest(
        (1,), sampling=Sampling(1), on_token=lambda _: (began.set(), release.wait(60))
    )
    ticket = engine.submit(blocker)
    assert began.wait(60)
    yield
    release.set()
    ticket.result(60)


def run(engine, *requests):
    """Run the requests in one batch and wait for all."""
    with busy(engine):
        tickets = [engine.submit(request) for request in requests]
    return [ticket.result(60) for ticket in tickets]


def tokens(generations):
    return [list(generation.token_ids) for generation in generations]


def logits_of(model, table, requests, steps):
    """The logits [rows, vocab] after the prompts and after each forced token, in one batch."""
    with torch.inference_mode():
        prompts, steerings = [r.prompt_ids for r in requests], [r.steering for r in requests]
        batch = Batch(model, table, prompts, steerings, len(steps))
        return [batch.prefill(), *(batch.step([token] * len(requests)) for token in steps)]
