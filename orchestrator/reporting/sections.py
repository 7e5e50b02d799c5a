"""The report as headings, sentences and tables, once for Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.reporting.original import MODEL, N

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """A header and rows of as many cells; the cells of a row after the first are figures where `figures`."""

    header: Row
    rows: Sequence[Row]
    figures: bool = True
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, the names of its pictures, its tables."""

    title: str
    text: str
    tables: Sequence[Table]
    pictures: Sequence[str] = field(default=())


RATES = {
    "applies": "applies",
    "parses": "parses",
    "gold_file": "gold file",
    "gold_function": "gold function",
    "gold_line": "gold line",
    "resolved": "resolved",
}
_SPENT = {"seconds": "seconds", "prompt_tokens": "prompt tokens", "new_tokens": "new tokens"}


def sections(report: dict[str, Any]) -> list[Section]:
    """All sections, in the order of reading."""
    runs = report["runs"]
    return [
        Section(
            "Validity and localization",
            "Applies: `git apply --check` holds on the base commit, of all instances. Gold file, function "
            "and line: the patch touches one that the gold patch touches. Resolved: of certified instances "
            "with a verdict. In brackets: hits of n, and Wilson's 95 % interval.",
            [
                Table(
                    ["run", *RATES.values()],
                    [[name, *(rate_text(run["rates"][key]) for key in RATES)] for name, run in runs.items()],
                ),
            ],
            ["rates"],
        ),
        Section(
            "Retrieval",
            "All files of the gold patch are among the first k.",
            [
                Table(
                    ["run", *(f"gold@{k}" for k in next(iter(runs.values()))["retrieval"])],
                    [[name, *map(rate_text, run["retrieval"].values())] for name, run in runs.items()],
                )
            ],
        ),
        _repositories(runs),
        _funnel(runs),
        _stages(runs),
        _comparisons(report),
        _original(report),
        _policy(runs),
        _failures(report),
        _manifests(report),
    ]


def rate_text(rate: dict[str, Any]) -> str:
    """A rate with its counts and interval; an em dash where nothing is known."""
    if rate["value"] is None:
        return "—"
    low, high = rate["ci95"]
    return f"{rate['value']:.1%} ({rate['hits']} of {rate['n']}; {low:.1%}–{high:.1%})"


def mean_text(mean: dict[str, Any], key: str = "value", form: str = ".4g") -> str:
    """A mean with its n and interval."""
    if mean[key] is None:
        return "—"
    interval = "; {} to {}".format(*(format(end, form) for end in mean["ci95"])) if mean["ci95"] else ""
    return f"{mean[key]:{form}} (n {mean['n']}{interval})"


def _repositories(runs: dict[str, Any]) -> Section:
    names = sorted({name for run in runs.values() for name in run["repositories"]})
    tables = [
        Table(
            ["repository", *runs],
            [[name, *(_of_repository(run, name, key) for run in runs.values())] for name in names],
            caption=RATES[key],
        )
        for key in ("resolved", "applies", "gold_file")
        if any(run["rates"][key]["n"] for run in runs.values())
    ]
    return Section("Repositories", "The rates of each run by repository.", tables, ["repositories"])


def _of_repository(run: dict[str, Any], name: str, key: str) -> str:
    return rate_text(run["repositories"][name][key]) if name in run["repositories"] else "—"


def _funnel(runs: dict[str, Any]) -> Section:
    stages = next(iter(runs.values()))["funnel"]
    table = Table(
        ["stage", *runs],
        [
            [stage["stage"], *(_passed(run["funnel"][number]) for run in runs.values())]
            for number, stage in enumerate(stages)
        ],
    )
    meanings = Table(["stage", "is passed when"], [[s["stage"], s["means"]] for s in stages], figures=False)
    text = (
        "Share of the instances that passed each stage and all before it; a resolved one has passed them "
        "all. Each is lost at the first stage that it does not pass."
    )
    return Section("Where tasks fail", text, [table, meanings], ["funnel"])


def _passed(stage: dict[str, Any]) -> str:
    return f"{rate_text(stage)}, lost {stage['lost']}"


def _stages(runs: dict[str, Any]) -> Section:
    stages = list(dict.fromkeys(stage["stage"] for run in runs.values() for stage in run["stages"]))
    tables = [
        Table(
            ["stage", *runs],
            [[stage, *(_spent(run, stage, key) for run in runs.values())] for stage in stages],
            caption=caption,
        )
        for key, caption in _SPENT.items()
    ]
    text = (
        "Means of an instance that came to the stage, over all its attempts, with bootstrap 95 % intervals."
    )
    return Section("Time and tokens by stage", text, tables, ["stages"])


def _spent(run: dict[str, Any], name: str, key: str) -> str:
    return next((mean_text(stage[key]) for stage in run["stages"] if stage["stage"] == name), "—")


def _comparisons(report: dict[str, Any]) -> Section:
    rows = report["comparisons"]
    if not rows:
        return Section("Paired comparison", "One run: there is nothing to compare it with.", [])
    pairs = [f"{row['first']} → {row['second']}" for row in rows]
    rates = [[pair, *map(_test_text, row["rates"].values())] for pair, row in zip(pairs, rows, strict=True)]
    means = [
        [pair, *(mean_text(mean, "difference") for mean in row["means"].values())]
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
            Table(["runs", *_SPENT.values(), "quality, the original's"], means, caption="means"),
        ],
    )


def _test_text(test: dict[str, Any]) -> str:
    if not test["n"]:
        return "—"
    counts = f"n {test['n']}; {test['only_first']} : {test['only_second']}; Holm {test['p_holm']:.3g}"
    return f"p = {test['p']:.3g} ({counts})"


def _original(report: dict[str, Any]) -> Section:
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


def _ours(name: str, report: dict[str, Any]) -> list[str]:
    if not name:
        return ["—"] * 5
    run = report["runs"][name]
    own = run["original"]
    figures = [rate_text(own["valid"]), mean_text(own["paths"], form=".1%"), mean_text(own["quality"])]
    return [name, *figures, rate_text(run["rates"]["applies"])]


def _policy(runs: dict[str, Any]) -> Section:
    rows = [
        [name, each["node"], "steered" if each["steered"] else "off", each["code"], str(each["prompts"])]
        for name, run in runs.items()
        for each in run["policy"]
    ]
    text = "What was decided for each prompt of a model node, and the code of the reason."
    return Section(
        "Policy", text, [Table(["run", "node", "decision", "reason", "prompts"], rows, figures=False)]
    )


def _failures(report: dict[str, Any]) -> Section:
    rows = [["all", name, f"not measured: {reason}"] for name, reason in report["not_measured"].items()]
    for run_name, run in report["runs"].items():
        rows += [[run_name, name, f"failed: {reason}"] for name, reason in run["failures"].items()]
        rows += [[run_name, name, "verdict does not count: not certified"] for name in run["uncertified_ids"]]
        rows += [
            [run_name, name, each["problem"]]
            for name, each in run["instances"].items()
            if each["problem"] and name not in run["failures"]
        ]
    return Section(
        "What failed or does not count",
        "Instances without a valid patch or a verdict that counts, with the reason." if rows else "Nothing.",
        [Table(["run", "instance", "reason"], rows, figures=False)] if rows else [],
    )


def _manifests(report: dict[str, Any]) -> Section:
    runs = list(report["runs"])
    rows = [[name, *(str(values[run]) for run in runs)] for name, values in report["manifests"].items()]
    text = "Settings in which the runs' manifests differ." if rows else "The runs' manifests do not differ."
    if report["made_with_other_rows"]:
        names = ", ".join(report["made_with_other_rows"])
        text += f" Made with other rows than the data set of this report: {names}."
    return Section("Manifests", text, [Table(["setting", *runs], rows, figures=False)] if rows else [])
