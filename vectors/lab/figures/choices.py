"""MMLU-Pro as a figure: domains, changes by domain and strength, samples of 20, and how far options lie
apart.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from vectors.lab.evaluation.domains import FEW, Accuracy, Change
from vectors.lab.figures.figures import COLOURS, CONTROL, bars, ink_on, legend_above, new_figure
from vectors.statistics.estimates import Estimate, sample_size

CHANCE = 0.1


def choosing_figure(
    accuracies: Sequence[Accuracy],
    changes: Sequence[Change],
    margins: Mapping[str, Sequence[float]],
    title: str,
) -> Figure:
    """Four panels; `margins` are of each condition how much likelier the right option is than the best other.

    The figures are those of one measure.
    """
    by_domain = [each for each in accuracies if each.domain]
    domains = list(dict.fromkeys(each.domain for each in by_domain))
    names = list(dict.fromkeys(each.condition.name for each in by_domain))
    note = sample_size([each.right.n for each in by_domain], "questions a domain")
    figure = new_figure(15, 10, f"{title}\n{note}")
    (first, second), (third, fourth) = figure.subplots(2, 2)
    groups = [domain.replace(" ", "\n") for domain in domains]
    shown = {name: [each.right for each in by_domain if each.condition.name == name] for name in names}
    bars(first, groups, shown, "accuracy", (CONTROL, *COLOURS))
    first.axhline(CHANCE, color="black", linewidth=0.8, linestyle="--", label="1 of 10")
    first.tick_params(axis="x", labelsize=7, rotation=60)
    legend_above(first, len(names) + 1)
    if changes:
        _few_and_all(second, [each for each in changes if each.condition == changes[0].condition])
        _heat(third, changes, domains, names[1:])
    else:
        second.axis("off")
        third.axis("off")
    if margins:
        _spread(fourth, margins)
    else:
        fourth.axis("off")
    return figure


def _few_and_all(axes: Axes, changes: Sequence[Change]) -> None:
    """Each domain's change in its first questions, and in all of them."""
    most = changes[0].contrast.difference.n
    for offset, colour, label, estimates in (
        (0.16, COLOURS[4], f"first {min(FEW, most)}", [each.few for each in changes]),
        (-0.16, COLOURS[0], f"all {most}", [each.contrast.difference for each in changes]),
    ):
        places = [place + offset for place in range(len(changes))]
        ends: list[list[float]] = [_arm(each) for each in estimates]
        axes.errorbar(
            [each.value for each in estimates],
            places,
            xerr=np.array(ends).T,
            fmt="o",
            color=colour,
            markersize=4,
            capsize=2.5,
            linewidth=1,
            label=label,
        )
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(changes)), [each.domain for each in changes], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(f"{changes[0].condition.name} − unsteered, paired")
    axes.spines[["top", "right"]].set_visible(False)
    legend_above(axes, 2)


def _arm(estimate: Estimate) -> list[float]:
    return [estimate.value - estimate.low, estimate.high - estimate.value]


def _heat(axes: Axes, changes: Sequence[Change], domains: Sequence[str], names: Sequence[str]) -> None:
    """Domains × conditions; a star where Holm's p is below 0.05."""
    by_place = {(each.domain, each.condition.name): each.contrast for each in changes}
    values = np.array([[by_place[domain, name].difference.value for name in names] for domain in domains])
    image = axes.imshow(values, aspect="auto", cmap="PuOr", norm=CenteredNorm())
    axes.figure.colorbar(image, ax=axes, label="steered − unsteered", pad=0.02)
    for (row, column), value in np.ndenumerate(values):
        mark = "*" if by_place[domains[row], names[column]].p_holm < 0.05 else ""
        ink = ink_on(image.to_rgba(value))
        axes.text(column, row, f"{value:+.1%}{mark}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_yticks(range(len(domains)), domains, fontsize=8)
    axes.set_title("change by domain and strength (* Holm p < 0.05)", fontsize=9)


def _spread(axes: Axes, margins: Mapping[str, Sequence[float]]) -> None:
    """Quartiles, and 5 to 95 % of the questions."""
    boxes = axes.boxplot(
        list(margins.values()), orientation="horizontal", whis=(5, 95), showfliers=False, patch_artist=True
    )
    for box, colour in zip(boxes["boxes"], (CONTROL, *COLOURS * 9), strict=False):
        box.set_facecolor(colour)
        box.set_alpha(0.5)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(range(1, len(margins) + 1), list(margins), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("log-likelihood of the right letter − best other, nats (box: quartiles, line: 5–95 %)")
    axes.spines[["top", "right"]].set_visible(False)
