"""What the analyses' figures share: the file, the colours, bars with intervals.

Drawn without a display, on the figure itself and not through pyplot, whose state is global. Colours are those
of Okabe and Ito, which people with any of the common colour-blindnesses tell apart.
"""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vectors.errors import UnfitAnalysis
from vectors.files import write_atomic
from vectors.statistics.estimates import Estimate

FORMATS = (".png", ".svg")
CONTROL = "#7f7f7f"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DPI = 160


def check_name(path: Path) -> None:
    """Raise UnfitAnalysis unless a figure can be written under this name; before any work is done."""
    if path.suffix not in FORMATS:
        raise UnfitAnalysis(f"{path.name}: a figure is a {' or '.join(FORMATS)} file")
    if not path.parent.is_dir():
        raise UnfitAnalysis(f"{path.parent} is no folder: make it first")


def new_figure(width: float, height: float, title: str) -> Figure:
    """A figure of width × height inches with a title."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by its suffix; equal figures give equal files."""
    undated, drawn = {"Date": None} if path.suffix == ".svg" else {}, io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "steering", "svg.fonttype": "none"}):
        figure.savefig(drawn, format=path.suffix.removeprefix("."), dpi=_DPI, metadata=undated)
    write_atomic(path, drawn.getvalue())


def bars(
    axes: Axes,
    groups: Sequence[str],
    series: Mapping[str, Sequence[Estimate]],
    label: str,
    colours: Sequence[str] = COLOURS,
) -> None:
    """Draw a bar with its interval for each series in each group; `label` names the quantity and its unit."""
    width = 0.8 / len(series)
    for index, (name, estimates) in enumerate(series.items()):
        places = [group + (index - (len(series) - 1) / 2) * width for group in range(len(groups))]
        # One observation has no interval to draw.
        below = [each.value - each.low if each.n > 1 else math.nan for each in estimates]
        above = [each.high - each.value if each.n > 1 else math.nan for each in estimates]
        axes.bar(
            places,
            [estimate.value for estimate in estimates],
            width * 0.92,
            yerr=[below, above],
            label=name,
            color=colours[index % len(colours)],
            error_kw={"elinewidth": 1, "capsize": 2.5, "ecolor": "black"},
        )
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)


def legend_above(axes: Axes, series: int) -> None:
    """A legend of so many series in one line above the axes, where no bar can reach it."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=series, frameon=False, fontsize=8)


def ink_on(colour: Iterable[float]) -> str:
    """Black or white, whichever can be read on a colour (its luma, ITU-R BT.601)."""
    red, green, blue, _ = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
