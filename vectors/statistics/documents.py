"""Figures as JSON documents have them: rounded, with n and 95 % interval, nulls where nothing is known."""

from collections.abc import Iterable
from typing import TypedDict

from vectors.statistics.estimates import bootstrapped, rate


class Share(TypedDict):
    """A rate from 0 to 1 with Wilson's interval; without any observation, nulls."""

    hits: int
    n: int
    value: float | None
    ci95: list[float] | None


class Percent(TypedDict):
    """A rate in percent with Wilson's interval; without any observation, nulls."""

    hits: int
    n: int
    percent: float | None
    ci95: list[float] | None


class Average(TypedDict):
    """A mean with its bootstrap interval, which takes at least two observations."""

    n: int
    value: float | None
    ci95: list[float] | None


def share(flags: Iterable[bool | None]) -> Share:
    """The share of true flags, of those that are known."""
    known = [flag for flag in flags if flag is not None]
    if not known:
        return {"hits": 0, "n": 0, "value": None, "ci95": None}
    found = rate(sum(known), len(known))
    ends = [round(found.low, 4), round(found.high, 4)]
    return {"hits": sum(known), "n": len(known), "value": round(found.value, 4), "ci95": ends}


def percent(hits: int, n: int) -> Percent:
    """The rate `hits` of `n`, which may be 0."""
    if not n:
        return {"hits": 0, "n": 0, "percent": None, "ci95": None}
    found = rate(hits, n)
    ends = [round(100 * found.low, 1), round(100 * found.high, 1)]
    return {"hits": hits, "n": n, "percent": round(100 * found.value, 1), "ci95": ends}


def average(values: Iterable[float | None]) -> Average:
    """The mean of the known values."""
    known = [float(value) for value in values if value is not None]
    if len(known) < 2:
        return {"n": len(known), "value": round(known[0], 4) if known else None, "ci95": None}
    found = bootstrapped(known)
    ends = [round(found.low, 4), round(found.high, 4)]
    return {"n": len(known), "value": round(found.value, 4), "ci95": ends}
