"""The sweep as heat maps, layers × α: one for each measure, and one of the zones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, ListedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vectors.lab.figures.figures import ink_on, new_figure
from vectors.lab.steering.sweep import ZONE_RULE, ZONES, Cell, Sweep
from vectors.statistics.estimates import Estimate, sample_size

_NOTE_CHARS = 64
_ZONE_COLOURS = ("#56B4E9", "#F0E442", "#D55E00")


@dataclass(frozen=True)
class _Panel:
    """A measure and how it is drawn."""

    title: str
    of: Callable[[Cell], Estimate | None]
    colours: str
    norm: Normalize
    digits: str


def sweep_figure(sweep: Sweep, title: str, *, shares: bool) -> Figure:
    """Draw the measures of a sweep and its zones; columns are shares of the residual's spread, or α itself.

    A cell shows the value and, smaller, its interval. Black lines run where zones meet.
    """
    layers = sorted({cell.layer for cell in sweep.cells})
    strengths = sorted({_strength(cell, shares) for cell in sweep.cells})
    grid = np.empty((len(layers), len(strengths)), dtype=object)
    for cell in sweep.cells:
        grid[layers.index(cell.layer), strengths.index(_strength(cell, shares))] = cell
    some, what = sweep.cells[0], "prompts and pairs of texts"
    ns = [some.change_rate.n, some.task_nats.n] if some.task_nats else [some.change_rate.n]
    note = sample_size(ns, what if some.task_nats else "prompts")
    figure = new_figure(
        5 + 2.6 * max(3, len(strengths)),
        2.5 + 0.9 * max(4, len(layers)),
        f"{title}\n{note}",
    )
    axes = figure.subplots(2, 3).flatten()
    zones = np.vectorize(lambda cell: ZONES.index(cell.zone))(grid)
    for place, panel in zip(axes, _panels(), strict=False):
        if panel.of(some) is None:
            place.text(0.5, 0.5, "no held-out texts", ha="center", transform=place.transAxes)
            continue
        values = np.vectorize(lambda cell, of=panel.of: _known(of(cell)).value)(grid)
        image = place.imshow(values, origin="lower", aspect="auto", cmap=panel.colours, norm=panel.norm)
        figure.colorbar(image, ax=place, pad=0.02)
        place.set_title(panel.title, fontsize=10)
        for (row, column), cell in np.ndenumerate(grid):
            ink = ink_on(image.to_rgba(values[row, column]))
            _write(place, column, row, _known(panel.of(cell)), panel.digits, ink)
    axes[4].imshow(zones, origin="lower", aspect="auto", cmap=ListedColormap(_ZONE_COLOURS), vmin=0, vmax=2)
    axes[4].set_title("zone of each α, and of the layer", fontsize=10)
    of_layer = sweep.zones()
    axes[4].secondary_yaxis("right").set_yticks(
        range(len(layers)), [of_layer[layer] for layer in layers], fontsize=8
    )
    for place in axes[:5]:
        _outline(place, zones)
        place.set_xticks(range(len(strengths)), [f"{s:.0%}" if shares else f"{s:g}" for s in strengths])
        place.set_yticks(range(len(layers)), layers)
    figure.supxlabel("α, as a share of the residual's spread at the layer" if shares else "α, absolute")
    figure.supylabel("layer")
    _legend(axes[5], sweep)
    return figure


def _panels() -> Sequence[_Panel]:
    return (
        _Panel("change rate of greedy outputs", lambda c: c.change_rate, "cividis", Normalize(0, 1), ".0%"),
        _Panel("KL of the first token, bits", lambda c: c.kl_bits, "cividis", PowerNorm(0.5, vmin=0), ".2f"),
        _Panel(
            "domain − neutral text, change of\nlog-likelihood, nats per token",
            lambda c: c.task_nats,
            "PuOr",
            CenteredNorm(),
            "+.2f",
        ),
        _Panel("degenerate outputs", lambda c: c.degenerate, "cividis", Normalize(0, 1), ".0%"),
    )


def _known(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


def _strength(cell: Cell, shares: bool) -> float:
    return round(cell.share if shares else cell.alpha, 6)


def _write(axes: Axes, column: int, row: int, estimate: Estimate, digits: str, ink: str) -> None:
    axes.text(
        column, row + 0.12, f"{estimate.value:{digits}}", ha="center", va="center", color=ink, fontsize=8
    )
    interval = f"{estimate.low:{digits}} … {estimate.high:{digits}}"
    axes.text(column, row - 0.24, interval, ha="center", va="center", color=ink, fontsize=5)


def _outline(axes: Axes, zones: NDArray[np.str_]) -> None:
    """Draw a line between neighbouring cells of different zones."""
    for (row, column), zone in np.ndenumerate(zones):
        if column + 1 < zones.shape[1] and zones[row, column + 1] != zone:
            axes.plot([column + 0.5] * 2, [row - 0.5, row + 0.5], color="black", linewidth=2)
        if row + 1 < zones.shape[0] and zones[row + 1, column] != zone:
            axes.plot([column - 0.5, column + 0.5], [row + 0.5] * 2, color="black", linewidth=2)


def _legend(axes: Axes, sweep: Sweep) -> None:
    axes.axis("off")
    axes.legend(
        [Patch(facecolor=colour, edgecolor="black") for colour in _ZONE_COLOURS],
        ZONES,
        loc="upper left",
        frameon=False,
    )
    repeats = sweep.repeat_change_rate
    note = f"{ZONE_RULE}\n\nUnsteered outputs that differ when repeated: {repeats.value:.0%} of {repeats.n}."
    text = "\n".join(fill(line, _NOTE_CHARS) for line in note.split("\n"))
    axes.text(0, 0.55, text, va="top", fontsize=7, transform=axes.transAxes).set_in_layout(False)
