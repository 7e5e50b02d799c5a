"""The tests that a certificate rests on: does it help, is it this vector that helps, of how many tries.

Why it exists: among enough layers, strengths and vectors some pair always looks good. Observations in the
same situation are not independent, so everything here counts situations, not observations, as its sample.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from scipy.stats import beta
from scipy.stats import t as student

from vectors.statistics.estimates import CONFIDENCE, Estimate, mean


def grouped_mean(values: Sequence[float], groups: Sequence[int]) -> Estimate:
    """The mean of the groups' means and its 95 % interval; `n` counts the values.

    Student's t over the groups' means, the cluster-level analysis of Donner & Klar 2000 ("Design and Analysis
    of Cluster Randomization Trials", ch. 6): exact for groups of one size, and the ordinary interval where
    every value is a group of its own. Needs two groups.
    """
    found = mean(_group_means(values, groups))
    return Estimate(found.value, found.low, found.high, len(values))


def improvement_p(values: Sequence[float], groups: Sequence[int]) -> float:
    """One-sided p of the hypothesis that the mean of paired differences is not above zero.

    Student's paired t test on the groups' means, the test that belongs to `grouped_mean`.
    """
    means = _group_means(values, groups)
    return _above(fmean(means), stdev(means) / math.sqrt(len(means)), len(means) - 1)


def outlier_p(value: float, controls: Sequence[float]) -> float:
    """One-sided p of the hypothesis that `value` was drawn from the population that `controls` come from.

    The t test of a single case against a small control sample (Crawford & Howell 1998, The Clinical
    Neuropsychologist 12:482): the spread is that between controls, so that beating a few of them, or their
    mean, is not enough. Needs two controls.
    """
    n = len(controls)
    return _above(value - fmean(controls), stdev(controls) * math.sqrt(1 + 1 / n), n - 1)


def holm(p_values: Sequence[float], tests: int) -> list[float]:
    """p-values adjusted for `tests` tests, of which those not given count as p = 1 (Holm 1979).

    To reject where the adjusted p is at most α keeps the chance of any false rejection at α, whatever the
    dependence between the tests.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (tests - rank)))
        adjusted[index] = highest
    return adjusted


def clopper_pearson(hits: int, n: int) -> Estimate:
    """The share `hits` / `n` with its exact 95 % interval (Clopper & Pearson 1934), never too narrow."""
    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return Estimate(hits / n, low, high, n)


def _group_means(values: Sequence[float], groups: Sequence[int]) -> list[float]:
    members: Mapping[int, list[float]] = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        members[group].append(value)
    return [fmean(each) for each in members.values()]


def _above(difference: float, error: float, freedom: int) -> float:
    """One-sided p of `difference` with standard error `error`; without any spread the sign decides."""
    if error == 0:
        return 0.0 if difference > 0 else 1.0
    return float(student.sf(difference / error, freedom))
