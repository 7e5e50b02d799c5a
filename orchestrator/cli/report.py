"""`orchestrate report`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session

if TYPE_CHECKING:
    from orchestrator.reporting.document import Report


@click.command(
    "report",
    cls=Command,
    examples=(
        "orchestrate report runs/mine",
        "orchestrate report runs/adaptive runs/baseline --out comparison",
    ),
)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=options.FOLDER)
@click.option("--dataset", help="Data set with the gold patches.  [default: the one that the runs name]")
@options.repos
@click.option(
    "--verdicts",
    multiple=True,
    metavar="[RUN=]FILE",
    help="What `grade --json` printed on a run's predictions; of several runs, with the run's name.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the report.  [default: the first DIR]",
)
@options.as_json
def command(
    folders: tuple[Path, ...],
    dataset: str | None,
    repos: Path | None,
    verdicts: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> int:
    """Measure finished runs and compare them in pairs: report.json, report.md and report.html.

    Each DIR is the folder of a run, or one with such folders in it.
    """
    from orchestrator.cli.output import print_json
    from orchestrator.reporting.making import report_on

    with opened_session(options.settings(repos=repos)) as session:
        report = report_on(session, folders, verdicts, dataset)
        from orchestrator.reporting.writing import write_report  # pictures take a second

        paths = write_report(report, out or folders[0])
    if as_json:
        print_json(report)
    else:
        _print(report, paths)
    return 0 if any(run["instances"] for run in report["runs"].values()) else 1


def _print(report: "Report", paths: list[Path]) -> None:
    from orchestrator.cli.terminal import visible
    from orchestrator.reporting.tables import RATES, rate_text

    for name, run in report["runs"].items():
        click.echo(visible(f"{name}: {len(run['instances'])} instances"))
        for key, label in RATES.items():
            click.echo(f"  {label}: {rate_text(run['rates'][key])}")
    if report["not_measured"]:
        click.echo(f"not measured: {len(report['not_measured'])}; the report has the reasons")
    click.echo(f"report: {', '.join(str(path) for path in paths)}")
