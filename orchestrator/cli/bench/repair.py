"""`orchestrate bench repair`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.opening import opened_session

if TYPE_CHECKING:
    from orchestrator.bench.reports import RepairReport


@click.command(
    "repair",
    cls=Command,
    examples=(
        "orchestrate bench repair",
        "orchestrate bench repair --dataset verified --repos mirrors --one-line",
    ),
)
@options.dataset
@options.repos
@options.model
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N instances.")
@click.option("--one-line", is_flag=True, help="Only patches that change one line for one.")
@options.as_json
def command(
    as_json: bool, dataset: str, repos: Path | None, model: str | None, limit: int | None, one_line: bool
) -> int:
    """Measure how far up the gold patch's edit stands among all that the catalogue proposes. No test is run.

    An instance that is done is not measured again after Ctrl-C or a kill.

    Instances whose repository or gold patch cannot be had are left out and listed; exit code 1 if none
    is left.
    """
    from orchestrator.bench.measuring import measure_repair
    from orchestrator.cli.output import print_json

    settings = options.settings(repos=repos, model=model)
    with keeping(settings.cache) as journal:
        with opened_session(settings) as session:
            report = measure_repair(session, dataset, limit, one_line=one_line, journal=journal)
        if as_json:
            print_json(report.model_dump())
        else:
            _print(report)
    return 0


def _print(report: "RepairReport") -> None:
    from orchestrator.cli.output import console

    out, one_line = console(), report.one_line
    lines = {
        f"all instances, n = {report.n}": None,
        "all gold files among the first ten": report.file_found,
        "a place of the gold patch among the suspects": report.place_found,
        **{f"first edit in a gold {name}": rate for name, rate in report.first_edit.items()},
        f"patches of one line for one, n = {one_line.n}": None,
        "gold edit proposed": one_line.gold_edit_proposed,
        **{f"gold edit among the first {k}": rate for k, rate in one_line.gold_edit_at.items()},
    }
    for name, rate in lines.items():
        if rate is None:
            out.print(name, style="bold", soft_wrap=True)
        elif rate.ci95 is not None:
            low, high = rate.ci95
            out.print(f"  {name}: {rate.percent} % ({low:.0f}–{high:.0f})", soft_wrap=True)
    out.print(f"{report.seconds} s a task (median)", soft_wrap=True)
    for name, reason in report.left_out.items():
        out.print(f"left out: {name}: {reason}", style="yellow", soft_wrap=True)
