"""The sections that set runs beside one another, and beside the original's six variants."""

from orchestrator.reporting.document import PairedRate, Report
from orchestrator.reporting.original import MODEL, N
from orchestrator.reporting.tables import RATES, SPENT, Section, Table, interval_text, mean_text, rate_text


def comparisons(report: Report) -> Section:
    """Every pair of runs, tested on the instances that both have."""
    rows = report["comparisons"]
    if not rows:
        return Section("Paired comparison", "One run: there is nothing to compare it with.", [])
    pairs = [f"{row['first']} → {row['second']}" for row in rows]
    rates = [[pair, *map(_test_text, row["rates"].values())] for pair, row in zip(pairs, rows, strict=True)]
    means = [
        [
            pair,
            *(interval_text(each["difference"], each["n"], each["ci95"]) for each in row["means"].values()),
        ]
        for pair, row in zip(pairs, rows, strict=True)
    ]
    text = (
        "On the instances that both runs have. Rates: McNemar's exact test; in brackets n, how many only the "
        "first and only the second run has, and p adjusted after Holm for all tests of this report. Means: "
        "second − first, with paired bootstrap 95 % intervals."
    )
    return Section(
        "Paired comparison",
        text,
        [
            Table(["runs", *(RATES[name] for name in rows[0]["rates"])], rates, caption="rates"),
            Table(["runs", *SPENT.values(), "quality, the original's"], means, caption="means"),
        ],
    )


def _test_text(test: PairedRate) -> str:
    if not test["n"]:
        return "—"
    counts = f"n {test['n']}; {test['only_first']} : {test['only_second']}; Holm {test['p_holm']:.3g}"
    return f"p = {test['p']:.3g} ({counts})"


def original(report: Report) -> Section:
    """What the original published of its variants, and our runs of them counted both ways."""
    rows = []
    for each in report["original_variants"]:
        label = f"{each['variant']}, {'with' if each['rag'] else 'without'} retrieval"
        said = each["published"]
        figures = (
            [f"{said['valid']:.0%}", f"{said['paths']:.0%}", f"{said['quality']:.3f}"] if said else ["—"] * 3
        )
        rows += [[label, *figures, *_ours(name, report)] for name in each["runs"] or [""]]
    listed = {name for each in report["original_variants"] for name in each["runs"]}
    for name, run in report["runs"].items():
        if name not in listed:
            label = f"{run['variant']}, {'with' if run['rag'] else 'without'} retrieval"
            rows.append([f"{label} (not in the original)", "—", "—", "—", *_ours(name, report)])
    text = (
        f"Published: {MODEL}, n = {N}, none resolved; on other instances, so no test compares them with "
        "ours. The original called any text a valid diff: under its counting stands what that makes of our "
        "predictions, and in the last column what `git apply --check` makes of the same ones."
    )
    header = ["variant", "published: valid", "paths", "quality", "run"]
    header += ["its counting: valid", "its paths", "its quality", "git apply --check"]
    return Section("Beside the original's six variants", text, [Table(header, rows)])


def _ours(name: str, report: Report) -> list[str]:
    if not name:
        return ["—"] * 5
    run = report["runs"][name]
    own = run["original"]
    figures = [rate_text(own["valid"]), mean_text(own["paths"], form=".1%"), mean_text(own["quality"])]
    return [name, *figures, rate_text(run["rates"]["applies"])]
