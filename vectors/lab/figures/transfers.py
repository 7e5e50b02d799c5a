"""The picture of a transfer: the layer × layer map, held-out variance by method, and where vectors arrive."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vectors.lab.figures.figures import COLOURS, CONTROL, bars, legend_above, new_figure
from vectors.lab.geometry.transferring import Arrival


def transfer_figure(
    layer_map: Sequence[Sequence[float]],
    layers: tuple[int, int],
    arrivals: Sequence[Arrival],
    models: tuple[str, str],
    title: str,
) -> Figure:
    """R² [source layers, target layers] with the chosen pair, then the methods beside their controls."""
    figure = new_figure(13, 9, title)
    (left, right), (below, last) = figure.subplots(2, 2)
    image = left.imshow(np.array(layer_map), origin="lower", aspect="auto", cmap="cividis", vmin=0)
    figure.colorbar(image, ax=left, pad=0.01)
    left.plot(layers[1], layers[0], marker="s", markersize=9, mfc="none", mec="#D55E00", mew=2)
    left.set_title("R² of the ridge on validation texts; square: the layers below", fontsize=9)
    left.set_xlabel(f"layer of {models[1]}")
    left.set_ylabel(f"layer of {models[0]}")
    known = [each for each in arrivals if each.r2]
    groups = [_broken(each.method) for each in known]
    bars(right, groups, {"R²": [each.r2 for each in known if each.r2]}, "held-out variance explained")
    # What explains less than nothing may explain far less: that much is said by the table.
    right.set_ylim(max(-0.5, right.get_ylim()[0]), 1)
    groups = [_broken(each.method) for each in arrivals]
    pairs = {
        "own domain": [each.cosine for each in arrivals],
        "other domains": [each.others for each in arrivals],
    }
    bars(below, groups, pairs, "cosine to the target's own vectors", (COLOURS[0], CONTROL))
    legend_above(below, 2)
    alone = {
        "cosine without the common component": [each.alone for each in arrivals],
        "own domain is the nearest": [each.nearest for each in arrivals],
    }
    bars(last, groups, alone, "cosine, or share of domains", COLOURS[2:])
    legend_above(last, 2)
    for axes in (right, below, last):
        axes.tick_params(axis="x", labelsize=7)
    return figure


def _broken(method: str) -> str:
    return method.replace(", ", "\n").replace(" ", "\n").replace("-", "-\n")
