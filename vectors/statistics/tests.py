"""Tests of differences: does it help, is it this vector that helps, of how many tries, which run is better.

Why it exists: among enough layers, strengths and vectors some pair always looks good. Observations in the
same situation are not independent, so what a certificate rests on counts situations as its sample. scipy
is imported by the first test, see `vectors.statistics.estimates`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from vectors.statistics.estimates import Estimate, mean


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


@dataclass(frozen=True)
class McNemar:
    """How many of `n` pairs only the first or only the second has, and the two-sided p of no difference."""

    n: int
    only_first: int
    only_second: int
    p: float


def mcnemar(pairs: Iterable[tuple[bool, bool]]) -> McNemar:
    """McNemar's test of paired flags, exact: a binomial test of the pairs that differ (McNemar 1947)."""
    from scipy.stats import binomtest

    both = list(pairs)
    only_first = sum(one and not other for one, other in both)
    only_second = sum(other and not one for one, other in both)
    differing = only_first + only_second
    p = float(binomtest(only_first, differing).pvalue) if differing else 1.0
    return McNemar(len(both), only_first, only_second, p)


def _group_means(values: Sequence[float], groups: Sequence[int]) -> list[float]:
    members: Mapping[int, list[float]] = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        members[group].append(value)
    return [fmean(each) for each in members.values()]


def _above(difference: float, error: float, freedom: int) -> float:
    """One-sided p of `difference` with standard error `error`; without any spread the sign decides."""
    from scipy.stats import t as student

    if error == 0:
        return 0.0 if difference > 0 else 1.0
    return float(student.sf(difference / error, freedom))
