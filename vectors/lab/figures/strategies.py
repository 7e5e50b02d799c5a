"""The picture of prompt strategies: scores, differences from a plain prompt, fields, answers that fail."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vectors.lab.evaluation.calendar_cases import FIELDS
from vectors.lab.evaluation.calendar_strategies import Contrast, Outcome
from vectors.lab.figures.figures import COLOURS, CONTROL, bars, ink_on, legend_above, new_figure
from vectors.statistics.estimates import sample_size


def strategies_figure(outcomes: Sequence[Outcome], contrasts: Sequence[Contrast], title: str) -> Figure:
    """Four panels: exact and partial scores, paired differences, right answers by field, what fails."""
    note = sample_size([each.exact.n for each in outcomes], "requests")
    figure = new_figure(4 + 1.1 * len(outcomes), 13, f"{title}\n{note}")
    scores, differences, fields, failing = figure.subplots(4, 1, height_ratios=[1, 1, 1.1, 0.8])
    names = [_broken(each.strategy) for each in outcomes]
    both = {"exact": [o.exact for o in outcomes], "partial": [o.partial for o in outcomes]}
    bars(scores, names, both, "score from 0 to 1", COLOURS)
    legend_above(scores, 2)
    if contrasts:
        paired = {
            "exact": [each.exact_difference for each in contrasts],
            "partial": [each.partial_difference for each in contrasts],
        }
        against = [f"{_broken(each.strategy)}\n− {_broken(each.against)}" for each in contrasts]
        bars(differences, against, paired, "difference, paired by request", COLOURS)
        differences.tick_params(axis="x", labelsize=8)
    else:
        differences.axis("off")
    _fields(fields, outcomes, names)
    failed = {
        "no event in the answer": [each.unparsed for each in outcomes],
        "met the limit of tokens": [each.unfinished for each in outcomes],
    }
    bars(failing, names, failed, "share of answers", (CONTROL, *COLOURS[3:]))
    legend_above(failing, 2)
    return figure


def _fields(axes: Axes, outcomes: Sequence[Outcome], names: Sequence[str]) -> None:
    shares = [[each.right[name].value for each in outcomes] for name in FIELDS]
    colours = mpl.colormaps["Blues"]
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for row, across in enumerate(shares):
        for column, share in enumerate(across):
            ink = ink_on(colours(share))
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(FIELDS)), [name.replace("_", " ") for name in FIELDS])
    axes.set_title("right answers by field", fontsize=9)


def _broken(name: str) -> str:
    return name.replace("+", "+\n").replace("-of-", "-\nof-").replace("constrained-", "constrained-\n")
