"""GSM8K as a figure: accuracy by either filter, what steering changes, and how examples change that."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from vectors.lab.evaluation.solving import Cell, Interference, Steered
from vectors.lab.figures.figures import COLOURS, CONTROL, bars, legend_above, new_figure
from vectors.statistics.estimates import Estimate, sample_size


def solving_figure(
    cells: Sequence[Cell], steered: Sequence[Steered], interference: Sequence[Interference], title: str
) -> Figure:
    """Accuracy and format gap by style, and paired differences, all with their intervals."""
    styles = list(dict.fromkeys(cell.style for cell in cells))
    names = list(dict.fromkeys(cell.condition.name for cell in cells))
    note = sample_size([cells[0].flexible.n], "problems")
    figure = new_figure(max(10, 3 + 0.45 * len(styles) * len(names)), 7.5, f"{title}\n{note}")
    (above, beside), (below, last) = figure.subplots(2, 2)
    groups = [style.replace(" ", "\n") for style in styles]

    def by_condition(estimates: Sequence[tuple[str, Estimate]]) -> dict[str, list[Estimate]]:
        return {name: [of for own, of in estimates if own == name] for name in names}

    shown = [(cell.condition.name, cell) for cell in cells]
    bars(
        above,
        groups,
        by_condition([(name, cell.flexible) for name, cell in shown]),
        "solved, by the last number",
        (CONTROL, *COLOURS),
    )
    legend_above(above, len(names))
    bars(
        beside,
        groups,
        by_condition([(name, cell.format_gap) for name, cell in shown]),
        "right numbers in the wrong form\n(flexible − strict)",
        (CONTROL, *COLOURS),
    )
    if not steered:
        below.axis("off")
        last.axis("off")
        return figure
    differences = {
        name: [each.flexible.difference for each in steered if each.condition.name == name]
        for name in names[1:]
    }
    bars(below, groups, differences, "solved: steered − unsteered,\npaired by problem", COLOURS)
    if not interference:
        last.axis("off")
        return figure
    pairs = list(dict.fromkeys((each.style, each.against) for each in interference))
    effects = {
        name: [each.difference for each in interference if each.condition.name == name] for name in names[1:]
    }
    bars(
        last,
        [f"{style}\nagainst {against}" for style, against in pairs],
        effects,
        "interference: effect beside examples\n− effect without",
        COLOURS,
    )
    return figure
