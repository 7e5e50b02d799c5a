"""Figures as they stand in an experiment's tables."""

from vectors.statistics.estimates import Estimate, sample_size


def shown(estimate: Estimate, form: str = ".2f") -> str:
    """The value and its interval, which one observation does not give."""
    if estimate.n < 2:
        return f"{estimate.value:{form}} (n = {estimate.n})"
    return f"{estimate.value:{form}} ({estimate.low:{form}} … {estimate.high:{form}})"


def evidence(*ns: int) -> str:
    """The sample size under a table, and whether it suffices to claim anything."""
    return sample_size(ns, "observations a figure")
