"""The picture of features: how many of each source are of a subject, and those nearest to a vector."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vectors.lab.figures.figures import COLOURS, bars, new_figure
from vectors.statistics.estimates import Estimate


def features_figure(density: Mapping[str, Estimate], near: Sequence[tuple[str, float]], title: str) -> Figure:
    """Shares of features by source with their intervals, and names with cosines where there are any."""
    figure = new_figure(7 if not near else 12, 4.5, title)
    places = figure.subplots(1, 2 if near else 1, squeeze=False)[0]
    bars(places[0], list(density), {"share": list(density.values())}, "share of features with a keyword")
    places[0].tick_params(axis="x", labelsize=7, rotation=20)
    if near:
        names = [name for name, _ in reversed(near)]
        places[1].barh(names, [cosine for _, cosine in reversed(near)], color=COLOURS[1])
        places[1].axvline(0, color="black", linewidth=0.6)
        places[1].set_xlabel("cosine of the decoder direction to the vector")
        places[1].tick_params(axis="y", labelsize=7)
        places[1].spines[["top", "right"]].set_visible(False)
    return figure
