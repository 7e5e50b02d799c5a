"""The pictures of a report as SVG that takes its ink from the page, so that it is read in light and in dark.

Black becomes `currentColor` and the background nothing; texts stay texts. The colours themselves tell apart
on both grounds.
"""

import io
import re
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.reporting.document import Report, RunReport
from orchestrator.reporting.tables import RATES
from vectors.lab.figures.figures import COLOURS, CONTROL, bars, new_figure
from vectors.statistics.documents import Share
from vectors.statistics.estimates import Estimate, sample_size

_EIGHT = (*COLOURS, CONTROL, "#F0E442")
"""Four variants, with and without retrieval."""
_BLACK = re.compile(r"#000000|(?<=: )black\b")
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(?:url\(#|href="#)([^)"]*)')


def pictures(report: Report) -> dict[str, str]:
    """The SVG elements by name; a picture whose figures nobody measured is left out."""
    runs = {name: run for name, run in report["runs"].items() if run["instances"]}
    if not runs:
        return {}
    drawn = {"rates": _rates(runs), "funnel": _funnel(runs), "stages": _stages(runs)}
    if repositories := _repositories(runs):
        drawn["repositories"] = repositories
    return {name: _svg(figure, f"{name} by run") for name, figure in drawn.items()}


def _rates(runs: Mapping[str, RunReport]) -> Figure:
    keys = [key for key in RATES if all(run["rates"][key]["n"] for run in runs.values())]
    series = {name: [_estimate(run["rates"][key]) for key in keys] for name, run in runs.items()}
    ns = [estimate.n for own in series.values() for estimate in own]
    figure = new_figure(9, 3.8, f"Validity and localization\n{sample_size(ns, 'instances')}")
    _shares(figure, [RATES[key].replace(" ", "\n") for key in keys], series, "share of instances")
    return figure


def _funnel(runs: Mapping[str, RunReport]) -> Figure:
    first = next(iter(runs.values()))["funnel"]
    shown = [n for n in range(len(first)) if all(run["funnel"][n]["n"] for run in runs.values())]
    series = {name: [_estimate(run["funnel"][n]) for n in shown] for name, run in runs.items()}
    ns = [estimate.n for own in series.values() for estimate in own]
    figure = new_figure(9, 3.8, f"Instances that passed each stage\n{sample_size(ns, 'instances')}")
    _shares(figure, [first[n]["stage"] for n in shown], series, "share of instances")
    return figure


def _repositories(runs: Mapping[str, RunReport]) -> Figure | None:
    graded = {
        name: {
            repo: rates["resolved"] for repo, rates in run["repositories"].items() if rates["resolved"]["n"]
        }
        for name, run in runs.items()
    }
    shared = sorted(set.intersection(*(set(own) for own in graded.values())))
    if not shared:
        return None
    series = {name: [_estimate(own[repo]) for repo in shared] for name, own in graded.items()}
    ns = [estimate.n for own in series.values() for estimate in own]
    width = max(9.0, 1.4 * len(shared))
    figure = new_figure(width, 3.8, f"Resolved by repository\n{sample_size(ns, 'certified instances')}")
    _shares(figure, [repo.replace("/", "/\n") for repo in shared], series, "share resolved")
    return figure


def _shares(figure: Figure, groups: list[str], series: dict[str, list[Estimate]], label: str) -> None:
    axes = figure.subplots()
    bars(axes, groups, series, label, _EIGHT)
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _legend(figure, axes)


def _stages(runs: Mapping[str, RunReport]) -> Figure:
    """Seconds of an instance, stacked by stage: a stage's total over all instances of the run."""
    stages = list(dict.fromkeys(stage["stage"] for run in runs.values() for stage in run["stages"]))
    ns = [len(run["instances"]) for run in runs.values()]
    n = f"{min(ns)}–{max(ns)}" if min(ns) < max(ns) else str(ns[0])
    figure = new_figure(
        9, 1.6 + 0.45 * len(runs), f"Seconds of an instance by stage\nmean of n = {n} instances"
    )
    axes = figure.subplots()
    names, ends = list(runs), [0.0] * len(runs)
    for number, stage in enumerate(stages):
        spent = [_of_instance(run, stage) for run in runs.values()]
        axes.barh(names, spent, left=ends, label=stage, color=_EIGHT[number % len(_EIGHT)])
        ends = [end + own for end, own in zip(ends, spent, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.spines[["top", "right"]].set_visible(False)
    _legend(figure, axes)
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, in as many columns as the names leave room for."""
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(len(labels), 110 // (max(map(len, labels), default=0) + 8)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def _of_instance(run: RunReport, stage: str) -> float:
    found = next((each["seconds"] for each in run["stages"] if each["stage"] == stage), None)
    return (found["value"] or 0.0) * found["n"] / len(run["instances"]) if found else 0.0


def _estimate(rate: Share) -> Estimate:
    """A rate of at least one observation."""
    assert rate["value"] is not None and rate["ci95"] is not None
    low, high = rate["ci95"]
    return Estimate(rate["value"], low, high, rate["n"])


def _svg(figure: Figure, label: str) -> str:
    import matplotlib as mpl

    written = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": label, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = written.getvalue()
    svg = _BLACK.sub("currentColor", svg[svg.index("<svg") :])
    # Several pictures stand in one page, where an id may occur once.
    used = set(_USED.findall(svg))
    svg = _ID.sub(lambda match: match[0] if match[1] in used else "", svg)
    # Texts name no colour of their own.
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}" fill="currentColor"', 1).strip()
