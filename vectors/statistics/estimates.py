"""A figure with its sample size and its 95 % interval: the only form in which an analysis reports one.

The intervals are scipy's, which is imported when the first one is computed: it takes longer to import than
most commands take to run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

CONFIDENCE = 0.95
CLAIM_N = 200
"""Below this many observations nothing is claimed: effects of +15 points at n = 20 on MMLU-Pro had turned
into losses at n = 200 (Edmond, steering-research)."""
RESAMPLES = 10_000
_SEED = 20


@dataclass(frozen=True)
class Estimate:
    """`value`, the ends of its 95 % confidence interval, and the number n of observations behind it."""

    value: float
    low: float
    high: float
    n: int


def rate(hits: int, n: int, method: Literal["wilson", "exact"] = "wilson") -> Estimate:
    """The share `hits` / `n`, n at least 1, with Wilson's score interval, which holds for small n too.

    (Wilson 1927.) `exact` is the interval of Clopper & Pearson 1934, wider and never too narrow.
    """
    from scipy.stats import binomtest

    share, ends = hits / n, binomtest(hits, n).proportion_ci(CONFIDENCE, method)
    return Estimate(share, min(share, float(ends.low)), max(share, float(ends.high)), n)


def mean(values: Sequence[float], at_least: float = -math.inf, at_most: float = math.inf) -> Estimate:
    """The mean of observations with Student's t interval (Student 1908).

    `at_least` and `at_most` cut off the parts of the interval that the quantity cannot reach. One observation
    says nothing of the spread: its interval is all that lies between them.
    """
    n, value = len(values), fmean(values)
    if n == 1:
        return Estimate(value, at_least, at_most, n)
    from scipy.stats import t as student

    half = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * stdev(values) / math.sqrt(n)
    return Estimate(value, max(at_least, value - half), min(at_most, value + half), n)


def paired(ones: Sequence[float], others: Sequence[float]) -> Estimate:
    """The mean difference `ones` − `others` of paired observations, with its interval."""
    return mean([one - other for one, other in zip(ones, others, strict=True)])


def bootstrapped(values: Sequence[float]) -> Estimate:
    """The mean of at least two observations with the percentile interval of 10,000 resamples (Efron 1979).

    The resamples are the same each time, so that a report of the same runs is the same report.
    """
    import numpy as np
    from scipy.stats import bootstrap

    ends = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Estimate(float(np.mean(values)), float(ends.low), float(ends.high), len(values))


def sample_size(ns: Sequence[int], what: str) -> str:
    """The part of a title that says n, and whether that suffices to claim anything."""
    smallest, largest = min(ns), max(ns)
    n = str(smallest) if smallest == largest else f"{smallest}–{largest}"
    return f"n = {n} {what}, 95 % intervals" + (f"; n < {CLAIM_N}: no claim" if smallest < CLAIM_N else "")
