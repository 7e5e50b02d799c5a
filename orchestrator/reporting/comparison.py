"""Runs in pairs, on the instances that both have: what differs in rates, in means and in their manifests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations

from orchestrator.reporting.document import Comparison, PairedMean, PairedRate
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


def compare(measured: Mapping[str, Sequence[Measured]]) -> list[Comparison]:
    """Every pair of runs: rates by McNemar's exact test, means by a paired bootstrap of the difference.

    Differences are second − first. `p_holm` is adjusted for all tests of the report that had a pair.
    """
    rows = [
        _compare(first, measured[first], second, measured[second])
        for first, second in combinations(measured, 2)
    ]
    tests = [test for row in rows for test in row["rates"].values() if test["n"]]
    for test, adjusted in zip(tests, holm([test["p"] for test in tests], len(tests)), strict=True):
        test["p_holm"] = adjusted
    return rows


def _compare(first: str, ones: Sequence[Measured], second: str, others: Sequence[Measured]) -> Comparison:
    by_id = {each.instance_id: each for each in others}
    pairs = [(each, by_id[each.instance_id]) for each in ones if each.instance_id in by_id]
    rates: dict[str, PairedRate] = {}
    for name, of in RATES.items():
        flags = [(of(one), of(other)) for one, other in pairs]
        test = mcnemar([(a, b) for a, b in flags if a is not None and b is not None])
        rates[name] = {**asdict(test), "p_holm": 1.0}  # type: ignore[typeddict-item]
    means: dict[str, PairedMean] = {}
    for name, value in MEANS.items():
        found = average(value(other) - value(one) for one, other in pairs)
        means[name] = {"n": found["n"], "difference": found["value"], "ci95": found["ci95"]}
    return {"first": first, "second": second, "rates": rates, "means": means}


def manifest_differences(runs: Sequence[Run]) -> dict[str, dict[str, object]]:
    """What decides results and is not the same in all runs: dotted name to the value in each run."""
    flat = {run.name: _flat({"": run.determinants, "facts": run.facts}) for run in runs}
    names = sorted({name for values in flat.values() for name in values})
    rows = {name: {run: values.get(name) for run, values in flat.items()} for name in names}
    return {
        name: row for name, row in rows.items() if any(value != row[runs[0].name] for value in row.values())
    }


def _flat(values: Mapping[str, object], above: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in values.items():
        name = ".".join(filter(None, (above, key)))
        found |= _flat(value, name) if isinstance(value, dict) else {name: value}
    return found
