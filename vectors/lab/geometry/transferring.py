"""What a map is worth: held-out variance, and whether vectors arrive where the target's own ones point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from vectors.lab.geometry.maps import METHODS, LinearMap, Paired, Scaled, layer_map
from vectors.lab.geometry.paired_texts import WORDS, Excerpt
from vectors.statistics.estimates import CONFIDENCE, Estimate, mean, rate

Vector: TypeAlias = Tensor
"""A domain's vector at every layer, [n_layers, d_model]."""
SHUFFLED, RANDOM = "ridge, pairs shuffled", "ridge, random directions"
CONTROLS = (SHUFFLED, RANDOM)
RANDOMS, RESAMPLES = 200, 1000
_TRAIN, _VALIDATION = 0.7, 0.15


@dataclass(frozen=True, eq=False)
class Split:
    """Numbers of pairs to learn on, to choose on and to report; `held_out` are the excerpts of the last."""

    train: Tensor
    validation: Tensor
    test: Tensor
    held_out: Tensor


@dataclass(frozen=True, eq=False)
class Pairs:
    """Residuals of the same places [pairs, layers, d_model] in two models, how they are split, R² of the
    ridge between all layers on the validation pairs, and the source's best layer for each of the target's.
    """

    source: Tensor
    target: Tensor
    parts: Split
    layer_map: Tensor
    pairing: list[int]


@dataclass(frozen=True)
class Arrival:
    """How a method's vectors arrive at the target's layer.

    r2: variance of held-out residuals that it explains, channels of one variance; n counts excerpts. cosine:
    of each transferred vector with the target's own of that domain, n counts domains. others: with those of
    the other domains. alone: `cosine` without what all vectors of a model share. nearest: how many find their
    own domain's vector the nearest, without that. None where nothing of the kind is meant.
    """

    method: str
    chosen: str
    r2: Estimate | None
    cosine: Estimate
    others: Estimate
    alone: Estimate
    nearest: Estimate


def split(excerpts: Sequence[Excerpt], known: Tensor, seed: int) -> Split:
    """Split pairs, those that both models know (`known` [pairs], flags), by the text that they come from."""
    groups = torch.tensor([each.group for each in excerpts])
    draw = torch.Generator().manual_seed(seed)
    order = torch.rand(int(groups.max()) + 1, generator=draw).argsort().argsort() / (groups.max() + 1)
    at = order[groups]
    parts = [at < _TRAIN, (at >= _TRAIN) & (at < _TRAIN + _VALIDATION), at >= _TRAIN + _VALIDATION]
    pairs = [(part.repeat_interleave(WORDS) & known).nonzero().flatten() for part in parts]
    return Split(pairs[0], pairs[1], pairs[2], pairs[2] // WORDS)


def paired(excerpts: Sequence[Excerpt], source: Tensor, target: Tensor, seed: int) -> Pairs:
    """Split what two models read of the same excerpts, and find which of their layers go together."""
    parts = split(excerpts, known(source, target), seed)
    found = layer_map(source, target, parts.train, parts.validation)
    return Pairs(source, target, parts, found, [int(best) for best in found.argmax(0)])


def at_layers(source: Tensor, target: Tensor, layers: tuple[int, int], pairs: Tensor) -> Paired:
    """Some of the pairs at a layer of each."""
    return Paired(source[pairs, layers[0]].float(), target[pairs, layers[1]].float())


def arrivals(
    source: Tensor,
    target: Tensor,
    layers: tuple[int, int],
    parts: Split,
    directions: tuple[Sequence[Tensor], Sequence[Tensor]],
    seed: int,
) -> list[Arrival]:
    """Each method at a pair of layers, and the controls; directions: of the same domains, [d] each."""
    train, validation, test = (
        at_layers(source, target, layers, pairs) for pairs in (parts.train, parts.validation, parts.test)
    )
    own, native = (torch.stack(list(each)).float() for each in directions)
    found = []
    for name, method in METHODS.items():
        learned = method(train, validation)
        explained = _explained(learned, train, test, parts.held_out, seed)
        found.append(_arrival(name, learned, explained, learned.direction(own), native))
    draw = torch.Generator().manual_seed(seed)
    apart = Paired(train.source, train.target[torch.randperm(len(train.target), generator=draw)])
    learned = METHODS["ridge"](apart, validation)
    explained = _explained(learned, train, test, parts.held_out, seed)
    found.append(_arrival(SHUFFLED, learned, explained, learned.direction(own), native))
    learned = METHODS["ridge"](train, validation)
    drawn = torch.randn(math.ceil(RANDOMS / len(own)) * len(own), own.shape[1], generator=draw)
    drawn = learned.direction(drawn * train.source.std(0))
    found.append(_arrival(RANDOM, learned, None, drawn, native.repeat(len(drawn) // len(own), 1)))
    return found


def _explained(learned: LinearMap, train: Paired, test: Paired, excerpts: Tensor, seed: int) -> Estimate:
    """R² with the interval of a bootstrap over excerpts."""
    scaled = Scaled(train)
    _, true = scaled.apply(test)
    _, predicted = scaled.apply(Paired(test.source, learned(test.source)))
    numbers, member = np.unique(excerpts.numpy(), return_inverse=True)
    n = len(numbers)
    errors, total = (
        np.bincount(member, (each**2).sum(1).double().numpy()) for each in (true - predicted, true)
    )
    draw = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    resampled = 1 - errors[draw].sum(1) / total[draw].sum(1)
    value = float(1 - errors.sum() / total.sum())
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, min(value, float(low)), max(value, float(high)), n)


def _arrival(
    method: str, learned: LinearMap, r2: Estimate | None, transferred: Tensor, native: Tensor
) -> Arrival:
    whole = _cosines(transferred, native)
    alone = _cosines(transferred - transferred.mean(0), native - native.mean(0))
    n = len(whole)
    others = (whole.sum(1) - whole.diagonal()) / (n - 1)
    nearest = int((alone.argmax(1) == torch.arange(n)).sum())
    return Arrival(
        method,
        learned.chosen,
        r2,
        mean(whole.diagonal().tolist(), -1, 1),
        mean(others.tolist(), -1, 1),
        mean(alone.diagonal().tolist(), -1, 1),
        rate(nearest, n),
    )


def _cosines(ones: Tensor, others: Tensor) -> Tensor:
    return torch.nn.functional.normalize(ones, dim=1) @ torch.nn.functional.normalize(others, dim=1).T


def known(source: Tensor, target: Tensor) -> Tensor:
    """Which places both models have read, [pairs] flags."""
    return ~(source[:, 0, 0].isnan() | target[:, 0, 0].isnan())


def mapped(
    source: Tensor, target: Tensor, layers: tuple[int, int], parts: Split, method: str, directions: Tensor
) -> Tensor:
    """A vector [source layers, d] at one layer of the target, [d_target]."""
    train, validation = (at_layers(source, target, layers, each) for each in (parts.train, parts.validation))
    return METHODS[method](train, validation).direction(directions[layers[0]])


def transferred(
    source: Tensor, target: Tensor, pairing: Sequence[int], parts: Split, method: str, directions: Tensor
) -> tuple[Tensor, list[float]]:
    """A vector [source layers, d] at every layer of the target, from its paired layer, and held-out R² there.

    Returns [target layers, d_target].
    """
    found, explained = [], []
    for layer, from_ in enumerate(pairing):
        train, validation, test = (
            at_layers(source, target, (from_, layer), pairs)
            for pairs in (parts.train, parts.validation, parts.test)
        )
        learned = METHODS[method](train, validation)
        explained.append(round(_explained(learned, train, test, parts.held_out, 0).value, 4))
        found.append(learned.direction(directions[from_]))
    return torch.stack(found), explained
