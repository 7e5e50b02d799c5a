"""Two models' layers against one another (CKA, geometry by layer), and domains as points (Procrustes)."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import procrustes
from scipy.stats import rankdata

from vectors.lab.geometry.cosines import Array, cosines, pairs_of, products


def cka(ones: Array, others: Array) -> Array:
    """Linear CKA between all layers [layers, texts, texts] of two models on the same texts, [layers, layers].

    Debiased: there are fewer texts than dimensions, where the plain estimate (Kornblith et al. 2019,
    arXiv 1905.00414) is near 1 for anything. The estimator is Song et al.'s (2012, JMLR 13:1393).
    """
    a, b = _u_centred(ones), _u_centred(others)
    norms = np.sqrt((a * a).sum(1)[:, None] * (b * b).sum(1)[None, :])
    return np.asarray((a @ b.T) / norms)


def _u_centred(grams: Array) -> Array:
    """Gram matrices without diagonal whose rows sum to nothing, flattened [layers, texts · texts]."""
    n = grams.shape[-1]
    open_ = grams.copy()
    open_[:, np.arange(n), np.arange(n)] = 0
    rows = open_.sum(2) / (n - 2)
    all_ = open_.sum((1, 2)) / ((n - 1) * (n - 2))
    open_ += all_[:, None, None] - rows[:, :, None] - rows[:, None, :]
    open_[:, np.arange(n), np.arange(n)] = 0
    return np.asarray(open_.reshape(len(open_), -1))


def geometry_by_layer(ones: Array, others: Array, domains: int) -> Array:
    """Spearman's correlation of the domains' cosines between all layers of two models, [layers, layers]."""
    ranked = [
        rankdata(pairs_of(cosines(products(of, domains + 1), removed=True)), axis=-1) for of in (ones, others)
    ]
    centred = [each - each.mean(1, keepdims=True) for each in ranked]
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in centred)
    return np.asarray(a @ b.T)


def scaled(matrix: Array) -> Array:
    """Domains as points of a plane [domains, 2], by classical scaling of the distances 1 − cos.

    (Torgerson 1952, Psychometrika 17:401.)
    """
    n = len(matrix)
    centring = np.eye(n) - 1 / n
    values, axes = np.linalg.eigh(-0.5 * centring @ (1 - matrix) ** 2 @ centring)
    return np.asarray(axes[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0)))


def aligned(points: Sequence[Array]) -> list[tuple[Array, float]]:
    """Points of each model moved, turned and scaled onto the first's, with their disparity, 0 for the same.

    Procrustes analysis (Gower 1975, Psychometrika 40:33); all have one size afterwards.
    """
    found = [procrustes(points[0], each) for each in points]
    return [(moved, float(disparity)) for _, moved, disparity in found]
