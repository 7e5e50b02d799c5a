"""`orchestrate lab report`."""

from pathlib import Path

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.terminal import visible


@click.command(
    "report",
    cls=Command,
    examples=(
        "orchestrate lab report runs/lab",
        "orchestrate lab report runs/lab --out findings --json",
    ),
)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=options.FOLDER)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the report.  [default: the first DIR]",
)
@options.as_json
def command(folders: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Put experiments side by side, and say which of the original's claims hold: report.json, .md and .html.

    Each DIR is the folder of an experiment, or one with such folders in it. A claim is confirmed or refuted
    only from n = 200 on.
    """
    from orchestrator.cli.output import print_json
    from orchestrator.lab.overview import report_on, write_report

    report = report_on(folders)
    paths = write_report(report, out or folders[0])
    if as_json:
        print_json(report.model_dump(exclude={"experiments": {"__all__": {"picture"}}}))
        return
    for row in report.claims:
        verdict = row.finding.verdict if row.finding else "open"
        n = f" (n = {row.finding.estimate.n})" if row.finding else ""
        click.echo(visible(f"{verdict:<10} {row.says}{' on ' + row.model if row.model else ''}{n}"))
    for folder in report.unfinished:
        click.echo(visible(f"not finished: {folder}"), err=True)
    click.echo(f"report: {', '.join(str(path) for path in paths)}")
