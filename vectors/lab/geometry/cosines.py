"""Cosines between domains' vectors, from inner products between texts.

A domain's vector is the mean of its texts' residuals minus that of neutral ones. So all cosines follow from
the Gram matrix of the texts, whichever of these take part and however often.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def gram(residuals: Tensor) -> Array:
    """Texts' residuals [texts, layers, d_model] → inner products about their mean [layers, texts, texts]."""
    centred = (residuals - residuals.mean(0)).transpose(0, 1).double()
    return (centred @ centred.transpose(1, 2)).numpy()


def products(grams: Array, groups: int) -> Array:
    """Products between the means of equal groups of texts, [..., texts, texts] → [..., groups, groups]."""
    *batch, texts, _ = grams.shape
    per = texts // groups
    return np.asarray(grams.reshape(*batch, groups, per, groups, per).mean((-3, -1)))


def resampled(of: Array, counts: Array) -> Array:
    """The same of one Gram matrix where each text counts so often.

    counts: [samples, groups, texts of a group]. Returns [samples, groups, groups].
    """
    samples, groups, per = counts.shape
    shares = counts / counts.sum(-1, keepdims=True)
    half = shares.swapaxes(0, 1) @ of.reshape(groups, per, groups * per)
    apart = half.reshape(groups, samples, groups, per)
    return np.asarray(np.einsum("asbj,sbj->sab", apart, shares))


def cosines(between: Array, *, removed: bool) -> Array:
    """Cosines [..., domains, domains] of the domains' vectors, from products [..., domains + 1, domains + 1].

    The last group is the neutral texts'. Where the common component is `removed`, the mean of the vectors is
    taken from each of them; what the neutral texts say cancels.
    """
    domains = between.shape[-1] - 1
    contrast = np.hstack([np.eye(domains), -np.ones((domains, 1))])
    if removed:
        contrast -= contrast.mean(0)
    vectors = contrast @ between @ contrast.T
    norms = np.sqrt(np.diagonal(vectors, axis1=-2, axis2=-1))
    return np.asarray(vectors / (norms[..., :, None] * norms[..., None, :]))


def pairs_of(matrix: Array) -> Array:
    """The entries above the diagonal [..., domains, domains] → [..., pairs]."""
    return np.asarray(matrix[..., *np.triu_indices(matrix.shape[-1], 1)])


def mean_cosines(matrix: Array) -> Array:
    """The mean cosine of each domain to the others, [domains]."""
    return np.asarray((matrix.sum(0) - 1) / (len(matrix) - 1))


def most_apart(matrix: Array) -> tuple[int, int, int]:
    """The three domains whose mean cosine to one another is the lowest."""
    one, other, third = min(
        combinations(range(len(matrix)), 3),
        key=lambda three: sum(matrix[a, b] for a, b in combinations(three, 2)),
    )
    return one, other, third


def layer_at(depth: float, n_layers: int) -> int:
    """The block at a relative depth, from 0 for the first to 1 for the last."""
    return round(depth * (n_layers - 1))
