"""The picture of a geometry: cosines, domains in a plane, cosines against one another, noise, layer maps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from vectors.lab.figures.figures import COLOURS, CONTROL, new_figure
from vectors.lab.geometry.atlas import Comparison, Geometry, Matrix
from vectors.lab.geometry.cosines import pairs_of
from vectors.lab.geometry.invariance import Ceiling

_MARKERS = "os^Dv"
_HALVES = {"one": "the first\nto itself", "other": "the second\nto itself", "across": "to one\nanother"}


def geometry_figure(
    domains: Sequence[str], geometries: Sequence[Geometry], comparisons: Sequence[Comparison], title: str
) -> Figure:
    """A row of heat maps, one of planes and noise, one of scatters, and layer maps of each pair of models."""
    trained = [each for each in comparisons if each.trained]
    figure = new_figure(15, 15.5 + 4.3 * len(trained), f"{title}\n")  # a line of air above the heat maps
    grid = figure.add_gridspec(3 + len(trained), 1, height_ratios=[5.2, 5.6, 4.2, *[4.3] * len(trained)])
    rows = [figure.add_subfigure(grid[number]) for number in range(3 + len(trained))]
    _heat_maps(rows[0], domains, geometries)
    plane, noise = rows[1].subplots(1, 2, width_ratios=[1.5, 1])
    _plane(plane, domains, geometries)
    _noise(noise, comparisons)
    _scatters(rows[2], geometries, comparisons)
    for row, each in zip(rows[3:], trained, strict=True):
        _layers(row, each)
    return figure


def _heat_maps(figure: SubFigure, domains: Sequence[str], geometries: Sequence[Geometry]) -> None:
    places = np.atleast_1d(figure.subplots(1, len(geometries)))
    for axes, each in zip(places, geometries, strict=True):
        image = axes.imshow(np.array(each.cosines), cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_xticks(range(len(domains)), domains, rotation=90, fontsize=7)
        axes.set_yticks(range(len(domains)), domains if axes is places[0] else [], fontsize=7)
        axes.set_title(f"{each.model}, layer {each.layer} of {each.layers}", fontsize=9)
    figure.colorbar(image, ax=list(places), pad=0.01, label="cosine without the common component")


def _plane(axes: Axes, domains: Sequence[str], geometries: Sequence[Geometry]) -> None:
    """Each domain at its place in every trained model, joined to where it is in the first."""
    first = np.array(geometries[0].points)
    for index, each in enumerate(geometries):
        if not each.trained:
            continue
        points, colour = np.array(each.points), COLOURS[index % len(COLOURS)]
        for start, end in zip(first, points, strict=True):
            axes.plot(*zip(start, end, strict=True), color=CONTROL, linewidth=0.6, zorder=1)
        name = each.model if index == 0 else f"{each.model}, disparity {each.disparity:.2f}"
        x, y = points.T
        axes.scatter(x, y, s=28, color=colour, marker=_MARKERS[index], label=name, zorder=2)
    for name, (x, y) in zip(domains, first, strict=True):
        axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("domains by classical scaling of 1 − cosine, turned onto the first model", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.12)


def _noise(axes: Axes, comparisons: Sequence[Comparison]) -> None:
    """How alike halves of the statements are: what correlation noise leaves room for."""
    width = 0.8 / len(comparisons)
    for index, each in enumerate(comparisons):
        ceiling: Ceiling = each.agreement.ceiling
        places = [place + (index - (len(comparisons) - 1) / 2) * width for place in range(len(_HALVES))]
        values = [getattr(ceiling, name) for name in _HALVES]
        axes.bar(places, values, width * 0.92, color=_colour(comparisons, index), label=_pair(each))
    axes.set_xticks(range(len(_HALVES)), list(_HALVES.values()), fontsize=8)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("Spearman's ρ between halves of the statements")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=8)


def _scatters(figure: SubFigure, geometries: Sequence[Geometry], comparisons: Sequence[Comparison]) -> None:
    of = {each.model: pairs_of(np.array(each.cosines)) for each in geometries}
    places = np.atleast_1d(figure.subplots(1, len(comparisons)))
    for index, (axes, each) in enumerate(zip(places, comparisons, strict=True)):
        x, y, rho = of[each.one], of[each.other], each.agreement.spearman
        axes.scatter(x, y, s=12, color=_colour(comparisons, index))
        slope, height = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, slope * ends + height, color="black", linewidth=1)
        axes.set_xlabel(each.one, fontsize=8)
        axes.set_ylabel(each.other, fontsize=8)
        axes.set_title(
            f"ρ {rho.value:.2f} ({rho.low:.2f} … {rho.high:.2f}), p {each.agreement.p:.4f}", fontsize=9
        )
        axes.spines[["top", "right"]].set_visible(False)


def _layers(figure: SubFigure, of: Comparison) -> None:
    left, right = figure.subplots(1, 2)
    for axes, matrix, name, least in (
        (left, of.cka, "debiased linear CKA of the statements", 0),
        (right, of.by_layer, "ρ of the domains' cosines", -1),
    ):
        image = axes.imshow(
            _upright(matrix),
            origin="lower",
            aspect="auto",
            cmap="cividis" if least == 0 else "RdBu_r",
            vmin=least,
            vmax=1,
        )
        figure.colorbar(image, ax=axes, pad=0.01)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"layer of {of.one}", fontsize=8)
        axes.set_ylabel(f"layer of {of.other}", fontsize=8)


def _upright(matrix: Matrix) -> NDArray[np.float64]:
    return np.array(matrix).T


def _colour(comparisons: Sequence[Comparison], index: int) -> str:
    """Grey where a model of the pair is untrained."""
    return COLOURS[index % len(COLOURS)] if comparisons[index].trained else CONTROL


def _pair(of: Comparison) -> str:
    return f"{of.one} / {of.other}"
