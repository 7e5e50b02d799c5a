"""Do two models order the same domains alike: rank correlation of cosines, against chance and against noise.

The cosines of 14 domains are 91 numbers, but not 91 observations: each domain is in 13 of them. So the test
permutes domains, rows and columns together (Mantel 1967, Cancer Research 27:209), and the interval leaves out
one domain at a time. What the choice of statements adds is a bootstrap over statements, drawn alike for both
models, which have read the same. How alike two models could be at all is bounded by how alike one is to
itself on other statements (split halves; Spearman 1904, Brown 1910).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, norm, rankdata, spearmanr
from scipy.stats import t as student

from vectors.lab.geometry.cosines import Array, cosines, mean_cosines, pairs_of, products, resampled
from vectors.statistics.estimates import CONFIDENCE, Estimate

PERMUTATIONS, RESAMPLES, SPLITS = 9999, 1000, 200


@dataclass(frozen=True)
class Ceiling:
    """How alike cosines are between halves of the statements, means over splits.

    `one` and `other`: a model to itself on other statements. `across`: one model to the other on other
    statements, and `corrected` for the noise of both (Spearman 1904), which may exceed 1. `whole`: the
    highest correlation that cosines this noisy can have, from all statements (Spearman & Brown).
    """

    one: float
    other: float
    across: float
    corrected: float
    whole: float


@dataclass(frozen=True)
class Agreement:
    """How two models' cosines agree, with the common component removed unless said otherwise.

    spearman: its interval leaves out one domain at a time; n counts the statements. by_statements: the ends
    of the interval over statements, for these very domains. p: of Mantel's permutations, one-sided. tau,
    tau_p: Kendall's of the domains' mean cosines. with_common, with_common_p: Spearman's and Mantel's of the
    vectors as they are.
    """

    spearman: Estimate
    by_statements: tuple[float, float]
    pearson: float
    p: float
    tau: float
    tau_p: float
    with_common: float
    with_common_p: float
    ceiling: Ceiling


@dataclass(frozen=True)
class AsOriginal:
    """The original's figures: nothing removed, and p as if the cosines were independent."""

    spearman: float
    p: float
    pearson: float


def spearman(ones: Array, others: Array) -> Array:
    """Rank correlations of cosines [..., pairs] and [..., pairs]."""
    return _correlated(rankdata(ones, axis=-1), rankdata(others, axis=-1))


def mantel(one: Array, other: Array, seed: int) -> float:
    """One-sided p of Spearman's correlation between two cosine matrices under permutations of the domains."""
    draw, size = np.random.default_rng(seed), len(one)
    ranks = np.zeros_like(other)
    ranks[np.triu_indices(size, 1)] = rankdata(pairs_of(other))
    ranks += ranks.T
    orders = np.array([np.arange(size), *(draw.permutation(size) for _ in range(PERMUTATIONS))])
    rows, columns = np.triu_indices(size, 1)
    shuffled = ranks[orders[:, rows], orders[:, columns]]
    found = _correlated(shuffled, rankdata(pairs_of(one)))
    return float((found >= found[0] - 1e-12).mean())


def agreement(one: Array, other: Array, domains: int, seed: int) -> Agreement:
    """How two models' cosines agree, from the Gram matrices of their texts at a layer each, [texts, texts].

    The texts are those of `domains` domains, as many of each, and as many neutral ones last.
    """
    means = [products(of, domains + 1) for of in (one, other)]
    removed, common = ([cosines(of, removed=without) for of in means] for without in (True, False))
    ones, others = map(pairs_of, removed)
    tau = kendalltau(*map(mean_cosines, common))
    value = float(spearman(ones, others))
    return Agreement(
        spearman=_leaving_out(value, means[0], means[1], len(one) // (domains + 1)),
        by_statements=_by_statements(value, one, other, domains + 1, seed),
        pearson=float(_correlated(ones, others)),
        p=mantel(removed[0], removed[1], seed),
        tau=float(tau.statistic),
        tau_p=float(tau.pvalue),
        with_common=float(spearman(*map(pairs_of, common))),
        with_common_p=mantel(common[0], common[1], seed),
        ceiling=_ceiling(one, other, domains + 1, seed),
    )


def as_original(one: Array, other: Array, domains: int) -> AsOriginal:
    """What the original computes of two models' Gram matrices."""
    ones, others = (pairs_of(cosines(products(of, domains + 1), removed=False)) for of in (one, other))
    found = spearmanr(ones, others)
    return AsOriginal(float(found.statistic), float(found.pvalue), float(_correlated(ones, others)))


def _leaving_out(value: float, one: Array, other: Array, per: int) -> Estimate:
    """The jackknife over domains on Fisher's scale (Miller 1974, Biometrika 61:1), Student's t.

    `one` and `other` are products between the domains' means, of `per` statements each, the neutral last.
    """
    domains, left = len(one) - 1, []
    for out in range(domains):
        kept = np.ix_(*2 * [np.delete(np.arange(domains + 1), out)])
        left.append(spearman(*(pairs_of(cosines(of[kept], removed=True)) for of in (one, other))))
    scaled = np.arctanh(np.clip(left, -_MOST, _MOST))
    error = math.sqrt((domains - 1) / domains * float(((scaled - scaled.mean()) ** 2).sum()))
    low, high = _ends(value, error * float(student.ppf((1 + CONFIDENCE) / 2, domains - 1)))
    return Estimate(value, low, high, domains * per)


def _by_statements(value: float, one: Array, other: Array, groups: int, seed: int) -> tuple[float, float]:
    """The bootstrap's standard error about the value, on Fisher's scale.

    Not its percentiles: a resample is noisier than the sample, so its correlations lie lower.
    """
    draw, per = np.random.default_rng(seed), len(one) // groups
    counts = draw.multinomial(per, [1 / per] * per, size=(RESAMPLES, groups)).astype(float)
    found = spearman(*(pairs_of(cosines(resampled(of, counts), removed=True)) for of in (one, other)))
    error = float(np.arctanh(np.clip(found, -_MOST, _MOST)).std(ddof=1))
    return _ends(value, error * float(norm.ppf((1 + CONFIDENCE) / 2)))


def _ceiling(one: Array, other: Array, groups: int, seed: int) -> Ceiling:
    draw = np.random.default_rng(seed)
    order = draw.random((SPLITS, groups, len(one) // groups)).argsort(-1)
    halves = [(order % 2 == side).astype(float) for side in (0, 1)]
    (a, b), (c, d) = (
        [pairs_of(cosines(resampled(of, half), removed=True)) for half in halves] for of in (one, other)
    )
    own, others = float(spearman(a, b).mean()), float(spearman(c, d).mean())
    across = float((spearman(a, d) + spearman(b, c)).mean() / 2)
    reliable = [2 * each / (1 + each) if each > 0 else 0.0 for each in (own, others)]
    noise = math.sqrt(max(own, 0) * max(others, 0))
    return Ceiling(own, others, across, across / noise if noise else 0.0, math.sqrt(math.prod(reliable)))


_MOST = 1 - 1e-9
"""Fisher's scale has no place for a correlation of 1."""


def _ends(value: float, half: float) -> tuple[float, float]:
    scaled = math.atanh(max(-_MOST, min(_MOST, value)))
    return min(value, math.tanh(scaled - half)), max(value, math.tanh(scaled + half))


def _correlated(ones: Array, others: Array) -> Array:
    """Pearson's correlation along the last axis."""
    a, b = (each - each.mean(-1, keepdims=True) for each in (ones, others))
    return np.asarray((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)))
