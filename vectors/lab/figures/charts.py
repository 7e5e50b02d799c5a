"""The bar charts: diversity, composition and the demo scenarios, each bar with its 95 % interval."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vectors.lab.figures.figures import COLOURS, CONTROL, bars, legend_above, new_figure
from vectors.lab.steering.composition import Condition
from vectors.lab.steering.demo import METRICS, VARIANTS, Row
from vectors.lab.steering.diversity import Diversity
from vectors.statistics.estimates import Estimate, sample_size

_DEMO_LABELS = {
    "hits": "distinct domain keywords in a run",
    "tokens": "tokens of a run",
    "coherence": "share of consecutive steps\nthat share a word of 5+ letters",
    "degenerate": "share of steps that repeat\nthemselves or are empty",
}


def diversity_figure(rows: Sequence[Diversity], title: str) -> Figure:
    """Unique answers over samples by temperature, steered beside unsteered, and their paired difference."""
    note = sample_size([row.difference.n for row in rows], "prompts")
    figure = new_figure(9, 4, f"{title}\n{note}")
    left, right = figure.subplots(1, 2)
    groups = [f"T {row.temperature:g}" for row in rows]
    both = {"unsteered": [row.unsteered for row in rows], "steered": [row.steered for row in rows]}
    bars(left, groups, both, "unique answers / samples", (CONTROL, *COLOURS))
    legend_above(left, 2)
    differences = {
        "unique answers": [row.difference for row in rows],
        "degenerate answers": [row.degenerate for row in rows],
    }
    bars(right, groups, differences, "steered − unsteered, paired by prompt", COLOURS[1:])
    legend_above(right, 2)
    return figure


def composition_figure(conditions: Sequence[Condition], title: str) -> Figure:
    """Each domain's keyword hits and likelihood by condition, and the share of answers that degenerate."""
    domains = list(conditions[0].hits)
    note = sample_size([conditions[0].total.n], "prompts")
    figure = new_figure(5 + 1.1 * len(conditions), 8.5, f"{title}\n{note}")
    above, middle, below = figure.subplots(3, 1)
    groups = [condition.name.replace("_", "_\n") for condition in conditions]
    if domains:
        hits = {d: [c.hits[d] for c in conditions] for d in domains}
        bars(above, groups, hits, "distinct keywords\nin an answer")
        legend_above(above, len(domains))
    else:
        above.set_title("no keywords for these domains", fontsize=9)
    texts = {d: [c.text_nats[d] for c in conditions] for d in conditions[0].text_nats}
    if texts:
        bars(middle, groups, texts, "domain − neutral text,\nchange in nats per token")
    else:
        middle.set_title("no held-out texts for these domains", fontsize=9)
    bars(
        below,
        groups,
        {"degenerate": [c.degenerate for c in conditions]},
        "share of answers that\nrepeat or are empty",
        COLOURS[2:],
    )
    return figure


def demo_figure(rows: Sequence[Row], title: str) -> Figure:
    """Each metric by scenario, the variants side by side."""
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    note = sample_size([row.metrics["hits"].n for row in rows], "reports")
    figure = new_figure(12, 7.5, f"{title}\n{note}")
    groups = [scenario.replace(" ", "\n", 1) for scenario in scenarios]
    for axes, metric in zip(figure.subplots(2, 2).flatten(), METRICS, strict=True):
        by_variant: dict[str, list[Estimate]] = {
            v: [row.metrics[metric] for row in rows if row.variant == v] for v in VARIANTS
        }
        bars(axes, groups, by_variant, _DEMO_LABELS[metric], (CONTROL, *COLOURS))
    legend_above(figure.axes[0], len(VARIANTS))
    return figure


def conditions_figure(
    groups: Sequence[str], series: Mapping[str, Sequence[Estimate]], label: str, title: str, of: str
) -> Figure:
    """A bar for each condition in each group; `label` names the quantity, and `of` what its n counts."""
    note = sample_size([each.n for own in series.values() for each in own], of)
    figure = new_figure(max(6.0, 1.6 * len(groups) + 2), 3.4 + 0.3 * len(series), f"{title}\n{note}")
    axes = figure.add_subplot()
    bars(axes, groups, series, label, (CONTROL, *COLOURS))
    legend_above(axes, 1)
    return figure
