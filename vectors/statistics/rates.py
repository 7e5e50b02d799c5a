"""Figures with their n and 95 % interval, and paired tests of two runs on the same instances."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from vectors.statistics.estimates import CONFIDENCE, rate

RESAMPLES = 10_000
_SEED = 20


def share(flags: Iterable[bool | None]) -> dict[str, Any]:
    """The share of true flags with Wilson's interval, of those that are known; without any, nulls."""
    known = [flag for flag in flags if flag is not None]
    if not known:
        return {"hits": 0, "n": 0, "value": None, "ci95": None}
    found = rate(sum(known), len(known))
    ends = [round(found.low, 4), round(found.high, 4)]
    return {"hits": sum(known), "n": len(known), "value": round(found.value, 4), "ci95": ends}


def percent(hits: int, n: int) -> dict[str, Any]:
    """A rate in percent with Wilson's interval; of none, nulls."""
    if not n:
        return {"hits": 0, "n": 0, "percent": None, "ci95": None}
    found = rate(hits, n)
    ends = [round(100 * found.low, 1), round(100 * found.high, 1)]
    return {"hits": hits, "n": n, "percent": round(100 * found.value, 1), "ci95": ends}


def average(values: Iterable[float | None]) -> dict[str, Any]:
    """The mean of the known values with its bootstrap interval, which takes at least two."""
    known = [value for value in values if value is not None]
    return {
        "n": len(known),
        "value": _rounded(np.mean(known)) if known else None,
        "ci95": bootstrap(known),
    }


def bootstrap(values: Sequence[float]) -> list[float] | None:
    """The 95 % percentile interval of the mean over 10,000 resamples (Efron 1979); None below two values.

    The resamples are the same each time, so that a report of the same runs is the same report.
    """
    if len(values) < 2:
        return None
    chosen = np.random.default_rng(_SEED).integers(0, len(values), (RESAMPLES, len(values)))
    means = np.asarray(values, dtype=float)[chosen].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    return [_rounded(end) for end in np.quantile(means, (tail, 1 - tail))]


def mcnemar(pairs: Iterable[tuple[bool, bool]]) -> dict[str, Any]:
    """McNemar's exact test (two-sided binomial) on paired flags: how many only the one or the other has."""
    both = list(pairs)
    only_first = sum(one and not other for one, other in both)
    only_second = sum(other and not one for one, other in both)
    differing = only_first + only_second
    p = float(binomtest(only_first, differing).pvalue) if differing else 1.0
    return {"n": len(both), "only_first": only_first, "only_second": only_second, "p": p}


def _rounded(value: Any) -> float:
    return round(float(value), 4)
