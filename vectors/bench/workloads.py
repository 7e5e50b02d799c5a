"""The requests of each row: made anew for every repetition, and the same ones for both sides of a ratio.

Prompts are stretches of the standard library's own source, so that they are real text of any number of
tokens on any machine. No two passes that one engine makes share a prompt, because it would have the second
one's cache already.
"""

import argparse
import random
import statistics
import tarfile
import typing
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vectors.bench.table import WorkloadName
from vectors.bench.traces import Job
from vectors.domains.activations import Passage, residuals
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.steering.intervention import Intervention, Steering

ARRIVAL_LOAD = 16
"""Requests arrive this many times as fast as the one-by-one server can serve them."""

_TEXTS = (argparse, tarfile, typing, statistics)
_MIN_SHARE, _MAX_SHARE = 0.2, 0.5  # α as a share of the residual norm
_SWEEP_LAYERS, _SWEEP_SHARES = 11, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
_LIST = ("add", "replace", "cap")
_NODES = (
    "\n\nYou read code. Which files and functions does this report involve?\n",
    "\n\nYou analyse faults. What is the cause, and what has to change?\n",
    "\n\nYou write patches. Rewrite the function so that the report is settled:\n",
)


@dataclass(frozen=True, eq=False)
class Workloads:
    """Makes jobs for one model. tokens: the text to cut prompts from. residual_norms: [n_layers]."""

    tokens: Sequence[int]
    endings: Sequence[tuple[int, ...]]
    residual_norms: Tensor
    d_model: int

    @classmethod
    def of(cls, model: nn.Module, encode: Callable[[str], Sequence[int]], d_model: int) -> "Workloads":
        """Read the texts with a model's tokenizer, and its residual norms with the plain model."""
        text = "".join(Path(str(module.__file__)).read_text() for module in _TEXTS)
        tokens = encode(text)
        # The first position is left out: it is an attention sink, many times as long as the others.
        [(_, hidden)] = residuals(model, [Passage(tokens[:256], range(1, 256))])
        endings = [tuple(encode(ending)) for ending in _NODES]
        return cls(tokens, endings, hidden.norm(dim=-1).mean(0), d_model)

    def job(self, name: WorkloadName, repetition: int, variant: str = "") -> Job:
        """The requests of one repetition; another variant has other prompts of the same lengths."""
        draw = random.Random(zlib.crc32(f"{name} {repetition} {variant}".encode()))
        job: Job = getattr(self, f"_{name}")(draw)
        return job

    def _mixed16(self, draw: random.Random) -> Job:
        steerings = [self._steering(draw, row / 15, row / 15) for row in range(16)]
        lengths = _spread(draw, 80, 120, 16)
        return Job(
            tuple(
                self._request(draw, length, 48, steering)
                for length, steering in zip(lengths, steerings, strict=True)
            )
        )

    def _lists16(self, draw: random.Random) -> Job:
        """As `_mixed16`, each request with three interventions by three operations at layers of their own."""
        requests = []
        for length in _spread(draw, 80, 120, 16):
            steering = [self._steering(draw, draw.random(), 0.0)[0] for _ in range(3)]
            by = [replace(each, operation=name) for each, name in zip(steering, _LIST, strict=True)]
            requests.append(self._request(draw, length, 48, tuple(by)))
        return Job(tuple(requests))

    def _decode16(self, draw: random.Random) -> Job:
        """One vector for all, the only way that llama.cpp knows, and short prompts."""
        steering = self._steering(draw, 0.5, 0.5)
        return Job(tuple(self._request(draw, 32, 128, steering) for _ in range(16)))

    def _single(self, draw: random.Random) -> Job:
        return Job((self._request(draw, 100, 64, self._steering(draw, 0.5, 0.5)),))

    def _prefill(self, draw: random.Random) -> Job:
        return Job((self._request(draw, 2048, 1, self._steering(draw, 0.5, 0.5)),))

    def _sweep66(self, draw: random.Random) -> Job:
        prompt = self._prompt(draw, 200)
        direction = self._direction(draw)
        requests = []
        for step in range(_SWEEP_LAYERS):
            layer = self._layer(step / (_SWEEP_LAYERS - 1))
            norm = float(self.residual_norms[layer])
            for share in _SWEEP_SHARES:
                steering = (Intervention(direction, layer, share * norm),)
                requests.append(GenerationRequest(prompt, steering, Sampling(16)))
        return Job(tuple(requests))

    def _three_nodes(self, draw: random.Random) -> Job:
        context = self._prompt(draw, 1500)
        requests = [
            GenerationRequest(context + ending, self._steering(draw, depth, 0.5), Sampling(64))
            for ending, depth in zip(self.endings, (0.5, 0.65, 0.6), strict=True)
        ]
        return Job(tuple(requests), in_turn=True)

    def _poisson24(self, draw: random.Random) -> Job:
        """Every third request is unsteered. Arrivals are in units of the mean gap."""
        lengths, news = _spread(draw, 30, 600, 24), _spread(draw, 16, 64, 24)
        requests, arrivals, moment = [], [], 0.0
        for row, (length, new) in enumerate(zip(lengths, news, strict=True)):
            steering = self._steering(draw, draw.random(), draw.random()) if row % 3 else ()
            requests.append(self._request(draw, length, new, steering))
            moment += draw.expovariate(1.0)
            arrivals.append(moment)
        return Job(tuple(requests), tuple(arrivals))

    def _request(self, draw: random.Random, length: int, new: int, steering: Steering) -> GenerationRequest:
        return GenerationRequest(self._prompt(draw, length), steering, Sampling(new))

    def _prompt(self, draw: random.Random, length: int) -> tuple[int, ...]:
        start = draw.randrange(len(self.tokens) - length)
        return tuple(self.tokens[start : start + length])

    def _direction(self, draw: random.Random) -> Tensor:
        generator = torch.Generator().manual_seed(draw.getrandbits(32))
        return torch.randn(self.d_model, generator=generator)

    def _layer(self, depth: float) -> int:
        """A block from the second, the first that every peer can steer, to the last but one."""
        return 1 + round(depth * max(0, len(self.residual_norms) - 3))

    def _steering(self, draw: random.Random, depth: float, strength: float) -> Steering:
        """A vector of its own; depth and strength from 0 to 1."""
        layer = self._layer(depth)
        share = _MIN_SHARE + strength * (_MAX_SHARE - _MIN_SHARE)
        return (Intervention(self._direction(draw), layer, share * float(self.residual_norms[layer])),)


def _spread(draw: random.Random, least: int, most: int, count: int) -> list[int]:
    """Whole numbers spread evenly from `least` to `most`, in random order: their sum is always the same."""
    values = [round(least + (most - least) * step / (count - 1)) for step in range(count)]
    draw.shuffle(values)
    return values
