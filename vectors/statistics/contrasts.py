"""Conditions against one another on the same items: rates, their paired difference, and tests of a family."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from vectors.statistics.estimates import CONFIDENCE, Estimate
from vectors.statistics.tests import holm, mcnemar

Flags = Sequence[bool]


@dataclass(frozen=True)
class Contrast:
    """Two rates on the same items: their difference, how many items only one has, and McNemar's exact p.

    `p_holm` is adjusted for the family that the contrast was computed in.
    """

    difference: Estimate
    only_first: int
    only_second: int
    p: float
    p_holm: float


def contrasts(pairs: Sequence[tuple[Flags, Flags]]) -> list[Contrast]:
    """Each pair's first flags against its second, as one family (Holm 1979)."""
    tested = [mcnemar(zip(*pair, strict=True)) for pair in pairs]
    adjusted = holm([each.p for each in tested], len(tested))
    return [
        Contrast(paired_rates(*pair), each.only_first, each.only_second, each.p, p)
        for pair, each, p in zip(pairs, tested, adjusted, strict=True)
    ]


def paired_rates(ones: Flags, others: Flags) -> Estimate:
    """The difference of two rates on the same items, with the adjusted Wald interval.

    One pair is added to those that only either has (Bonett & Price 2012, Journal of Educational and
    Behavioral Statistics 37:479), so that the interval keeps its level, and a width, where few pairs differ
    or none does.
    """
    n = len(ones)
    one, other = (
        sum(a and not b for a, b in zip(*pair, strict=True)) for pair in ((ones, others), (others, ones))
    )
    more, less = (one + 1) / (n + 2), (other + 1) / (n + 2)
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    half *= math.sqrt((more + less - (more - less) ** 2) / (n + 2))
    value = (one - other) / n
    low, high = max(-1.0, more - less - half), min(1.0, more - less + half)
    return Estimate(value, min(low, value), max(high, value), n)
