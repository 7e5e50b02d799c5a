"""Vectors as sums of an autoencoder's features."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from vectors.lab.figures.figures import COLOURS, CONTROL, bars, legend_above, new_figure
from vectors.lab.sae.decomposing import FEW, Decomposition
from vectors.statistics.estimates import Estimate, sample_size


def decomposition_figure(found: Mapping[str, Decomposition], title: str) -> Figure:
    """What few features explain of each domain's vector, and how many take part, by autoencoder."""
    first = next(iter(found.values()))
    note = sample_size([row.few.n for row in first.rows], "prompts of a domain")
    figure = new_figure(max(8.0, 1.25 * len(first.rows) + 2), 7.4, f"{title}\n{note}")
    above, below = figure.subplots(2, 1)
    groups = [row.domain.replace("_", "_\n") for row in first.rows]
    explained = {name: [row.few for row in each.rows] for name, each in found.items()}
    part = {name: [row.participation for row in each.rows] for name, each in found.items()}
    panels: list[tuple[dict[str, list[Estimate]], str, list[float]]] = [
        (
            explained,
            f"R² of {FEW} features\n(weights above zero)",
            [each.random_few for each in found.values()],
        ),
        (part, "share of features\nthat take part", [each.random_participation for each in found.values()]),
    ]
    for axes, (series, label, random) in zip((above, below), panels, strict=True):
        bars(axes, groups, series, label)
        for number, level in enumerate(random):
            colour = COLOURS[number % len(COLOURS)]
            axes.axhline(level, color=colour, linewidth=0.9, linestyle="--")
    above.annotate(
        "dashed: random directions", (0.995, 0.97), xycoords="axes fraction", ha="right", va="top",
        fontsize=8, color=CONTROL,
    )  # fmt: skip
    legend_above(above, min(3, len(found)))
    return figure
