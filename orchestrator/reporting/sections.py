"""The report as headings, sentences and tables, once for Markdown and HTML."""

from orchestrator.reporting.document import Report, RunReport, StageShare
from orchestrator.reporting.side_by_side import comparisons, original
from orchestrator.reporting.tables import RATES, SPENT, Section, Table, mean_text, rate_text


def sections(report: Report) -> list[Section]:
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
        comparisons(report),
        original(report),
        _policy(runs),
        _failures(report),
        _manifests(report),
    ]


def _repositories(runs: dict[str, RunReport]) -> Section:
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


def _of_repository(run: RunReport, name: str, key: str) -> str:
    return rate_text(run["repositories"][name][key]) if name in run["repositories"] else "—"


def _funnel(runs: dict[str, RunReport]) -> Section:
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


def _passed(stage: StageShare) -> str:
    return f"{rate_text(stage)}, lost {stage['lost']}"


def _stages(runs: dict[str, RunReport]) -> Section:
    stages = list(dict.fromkeys(stage["stage"] for run in runs.values() for stage in run["stages"]))
    tables = [
        Table(
            ["stage", *runs],
            [[stage, *(_spent(run, stage, key) for run in runs.values())] for stage in stages],
            caption=caption,
        )
        for key, caption in SPENT.items()
    ]
    text = (
        "Means of an instance that came to the stage, over all its attempts, with bootstrap 95 % intervals."
    )
    return Section("Time and tokens by stage", text, tables, ["stages"])


def _spent(run: RunReport, name: str, key: str) -> str:
    found = next((stage for stage in run["stages"] if stage["stage"] == name), None)
    if found is None:
        return "—"
    means = {
        "seconds": found["seconds"],
        "prompt_tokens": found["prompt_tokens"],
        "new_tokens": found["new_tokens"],
    }
    return mean_text(means[key])


def _policy(runs: dict[str, RunReport]) -> Section:
    rows = [
        [name, each["node"], "steered" if each["steered"] else "off", each["code"], str(each["prompts"])]
        for name, run in runs.items()
        for each in run["policy"]
    ]
    text = "What was decided for each prompt of a model node, and the code of the reason."
    return Section(
        "Policy", text, [Table(["run", "node", "decision", "reason", "prompts"], rows, figures=False)]
    )


def _failures(report: Report) -> Section:
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


def _manifests(report: Report) -> Section:
    runs = list(report["runs"])
    rows = [[name, *(str(values[run]) for run in runs)] for name, values in report["manifests"].items()]
    text = "Settings in which the runs' manifests differ." if rows else "The runs' manifests do not differ."
    if report["made_with_other_rows"]:
        names = ", ".join(report["made_with_other_rows"])
        text += f" Made with other rows than the data set of this report: {names}."
    return Section("Manifests", text, [Table(["setting", *runs], rows, figures=False)] if rows else [])
