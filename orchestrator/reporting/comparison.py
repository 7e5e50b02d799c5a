"""Runs in pairs, on the instances that both have: what differs in rates, in means and in their manifests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from orchestrator.reporting.measures import Measured
from orchestrator.reporting.runs import Run
from vectors.statistics.documents import average
from vectors.statistics.tests import holm, mcnemar

RATES: dict[str, Callable[[Measured], bool | None]] = {
    "applies": lambda each: each.applies,
    "gold_file": lambda each: each.file,
    "gold_function": lambda each: each.function,
    "gold_line": lambda each: each.line,
    "resolved": lambda each: each.resolved,
}
MEANS: dict[str, Callable[[Measured], float]] = {
    "seconds": lambda each: each.seconds,
    "prompt_tokens": lambda each: each.prompt_tokens,
    "new_tokens": lambda each: each.new_tokens,
    "quality": lambda each: each.loose.quality,
}


def compare(measured: Mapping[str, Sequence[Measured]]) -> list[dict[str, Any]]:
    """Every pair of runs: rates by McNemar's exact test, means by a paired bootstrap of the difference.

    Differences are second − first. `p_holm` is adjusted for all tests of the report that had a pair.
    """
    rows = [
        {"first": first, "second": second, **_compare(measured[first], measured[second])}
        for first, second in combinations(measured, 2)
    ]
    tests = [test for row in rows for test in row["rates"].values() if test["n"]]
    for test, adjusted in zip(tests, holm([test["p"] for test in tests], len(tests)), strict=True):
        test["p_holm"] = adjusted
    return rows


def _compare(ones: Sequence[Measured], others: Sequence[Measured]) -> dict[str, Any]:
    second = {each.instance_id: each for each in others}
    pairs = [(each, second[each.instance_id]) for each in ones if each.instance_id in second]
    rates = {}
    for name, of in RATES.items():
        flags = [(of(one), of(other)) for one, other in pairs]
        rates[name] = asdict(mcnemar([(a, b) for a, b in flags if a is not None and b is not None]))
    means = {}
    for name, value in MEANS.items():
        found = average(value(other) - value(one) for one, other in pairs)
        means[name] = {"n": found["n"], "difference": found["value"], "ci95": found["ci95"]}
    return {"rates": rates, "means": means}


def manifest_differences(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """What decides results and is not the same in all runs: dotted name to the value in each run."""
    flat = {run.name: _flat({"": run.determinants, "facts": run.facts}) for run in runs}
    names = sorted({name for values in flat.values() for name in values})
    rows = {name: {run: values.get(name) for run, values in flat.items()} for name in names}
    return {
        name: row for name, row in rows.items() if any(value != row[runs[0].name] for value in row.values())
    }


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = ".".join(filter(None, (above, key)))
        found |= _flat(value, name) if isinstance(value, dict) else {name: value}
    return found
