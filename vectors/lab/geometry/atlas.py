"""What several models make of the same domains: each one's geometry, and each pair of them compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from vectors.lab.geometry.cosines import Array, cosines, gram, layer_at, products
from vectors.lab.geometry.invariance import Agreement, AsOriginal, agreement, as_original
from vectors.lab.geometry.similarity import aligned, cka, geometry_by_layer, scaled

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Reading:
    """A model, and the Gram matrices of the texts it read [layers, texts, texts]: as many of each domain, and
    as many neutral ones last.
    """

    model: str
    trained: bool
    grams: Array

    @classmethod
    def of(cls, model: str, residuals: Sequence[Tensor], *, trained: bool) -> "Reading":
        """From the residuals of each domain's texts and of the neutral ones [texts, layers, d_model]."""
        return cls(model, trained, gram(torch.cat(list(residuals))))


@dataclass(frozen=True)
class Geometry:
    """The cosines of a model's domain vectors at a layer, without their common component and with it.

    `points` are the domains in a plane, turned onto those of the first model; `disparity` is what remains.
    """

    model: str
    trained: bool
    layers: int
    layer: int
    cosines: Matrix
    with_common: Matrix
    points: Matrix
    disparity: float


@dataclass(frozen=True)
class Comparison:
    """Two models at the same relative depth, and all their layers against one another [layers, layers]:
    CKA of the statements' residuals, and Spearman's correlation of the domains' cosines.
    """

    one: str
    other: str
    trained: bool
    agreement: Agreement
    cka: Matrix
    by_layer: Matrix


def geometries(readings: Sequence[Reading], domains: int, depth: float) -> list[Geometry]:
    """Each model's geometry at a relative depth, from 0 to 1."""
    layers = [layer_at(depth, len(each.grams)) for each in readings]
    means = [products(each.grams[layer], domains + 1) for each, layer in zip(readings, layers, strict=True)]
    removed, common = ([cosines(of, removed=without) for of in means] for without in (True, False))
    placed = aligned([scaled(each) for each in removed])
    return [
        Geometry(
            each.model,
            each.trained,
            len(each.grams),
            layer,
            _plain(matrix),
            _plain(with_common),
            _plain(points),
            disparity,
        )
        for each, layer, matrix, with_common, (points, disparity) in zip(
            readings, layers, removed, common, placed, strict=True
        )
    ]


def comparisons(readings: Sequence[Reading], domains: int, depth: float, seed: int) -> list[Comparison]:
    """Each pair of models, at a relative depth and over all layers."""
    return [
        Comparison(
            one.model,
            other.model,
            one.trained and other.trained,
            agreement(*_at(one, other, depth), domains, seed),
            _plain(cka(one.grams, other.grams)),
            _plain(geometry_by_layer(one.grams, other.grams, domains)),
        )
        for one, other in combinations(readings, 2)
    ]


def originals(readings: Sequence[Reading], domains: int) -> list[AsOriginal]:
    """What the original computes of each pair, at mid-depth."""
    return [as_original(*_at(one, other, 0.5), domains) for one, other in combinations(readings, 2)]


def _at(one: Reading, other: Reading, depth: float) -> tuple[Array, Array]:
    first, second = (each.grams[layer_at(depth, len(each.grams))] for each in (one, other))
    return first, second


def _plain(matrix: Array) -> Matrix:
    return tuple(tuple(round(float(each), 6) for each in row) for row in matrix)
