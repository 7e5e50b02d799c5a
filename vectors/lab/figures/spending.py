"""Budgets as a figure: how long answers are, how many are right, and whether lengths are foreseen."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vectors.lab.evaluation.budgets import WAYS, Kept
from vectors.lab.figures.figures import COLOURS, CONTROL, bars, legend_above, new_figure
from vectors.statistics.estimates import sample_size

_BINS = 10


def budgets_figure(rows: Sequence[Kept], quantiles: Sequence[float], title: str) -> Figure:
    """Tokens, share near the budget and share solved by budget and way, and the calibration of the head."""
    note = sample_size([rows[0].solved.n], "problems")
    figure = new_figure(12, 8, f"{title}\n{note}")
    (lengths, near), (solved, calibration) = figure.subplots(2, 2)
    budgets = list(dict.fromkeys(row.budget for row in rows if row.budget is not None))
    groups = [f"budget {budget}" for budget in budgets]
    by_way: dict[str, list[Kept]] = {
        way: [row for row in rows if row.way == way] for way in WAYS if way != "free"
    }
    bars(lengths, groups, {way: [row.tokens for row in own] for way, own in by_way.items()}, "tokens")
    for number, budget in enumerate(budgets):
        lengths.hlines(budget, number - 0.45, number + 0.45, colors="black", linestyles="dashed", lw=1)
    free = next(row for row in rows if row.way == "free")
    lengths.axhline(free.tokens.value, color=CONTROL, lw=1, label="free")
    legend_above(lengths, len(by_way) + 1)
    shares = {way: [row.near for row in own if row.near] for way, own in by_way.items()}
    bars(near, groups, shares, "share within ±10 % of the budget")
    bars(solved, groups, {way: [row.solved for row in own] for way, own in by_way.items()}, "share solved")
    solved.axhline(free.solved.value, color=CONTROL, lw=1)
    expected = np.linspace(0, 1, _BINS + 1)
    found = [float(np.mean(np.asarray(quantiles) <= level)) for level in expected]
    calibration.plot([0, 1], [0, 1], color=CONTROL, lw=1)
    calibration.plot(expected, found, color=COLOURS[0], marker="o", ms=4)
    calibration.set_xlabel("foreseen: P(length ≤ what came)")
    calibration.set_ylabel("share of places")
    calibration.spines[["top", "right"]].set_visible(False)
    return figure
