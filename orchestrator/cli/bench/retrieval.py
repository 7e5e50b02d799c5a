"""`orchestrate bench retrieval`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.opening import opened_session

if TYPE_CHECKING:
    from orchestrator.bench.reports import FileRates, RetrievalReport


@click.command(
    "retrieval",
    cls=Command,
    examples=(
        "orchestrate bench retrieval",
        "orchestrate bench retrieval --dataset verified --repos mirrors --no-speed --json",
    ),
)
@options.dataset
@options.repos
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N instances.")
@click.option(
    "--speed/--no-speed", default=True, show_default=True, help="Also measure speed beside rank-bm25."
)
@click.option("--widen/--no-widen", default=False, help="Search with what the model says of the issue too.")
@options.model
@options.as_json
def command(
    as_json: bool,
    dataset: str,
    repos: Path | None,
    limit: int | None,
    speed: bool,
    widen: bool,
    model: str | None,
) -> int:
    """Measure how often what must change is found, and how fast, beside rank-bm25.

    A model is loaded only to widen the search, which is compared with the plain one.

    An instance that is done is not measured again after Ctrl-C or a kill.

    Instances whose repository or gold patch cannot be had are left out and listed; exit code 1 if none
    is left.
    """
    from orchestrator.bench.measuring import measure_retrieval
    from orchestrator.cli.output import print_json

    settings = options.settings(repos=repos, model=model)
    with keeping(settings.cache) as journal:
        with opened_session(settings) as session:
            report = measure_retrieval(session, dataset, limit, speed=speed, widen=widen, journal=journal)
        if as_json:
            print_json(report.model_dump())
        else:
            _print(report)
    return 0


def _print(report: "RetrievalReport") -> None:
    from rich.table import Table

    from orchestrator.bench.reports import rounded_ratios
    from orchestrator.cli.output import console

    out = console()
    out.print(f"{report.dataset}: n = {report.n}, {report.peak_mb} MiB at most", soft_wrap=True)
    out.print(
        f"index {report.index_s:.2f} s, query {report.query_ms:.1f} ms (medians, warm cache)\n",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("all gold files in the first k, %", no_wrap=True)
    for name in ("n", "@1", "@3", "@5", "@10", "@50"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("all", str(report.n), *_cells(report))
    for name, rates in report.repositories.items():
        table.add_row(f"  {name}", str(rates.n), *_cells(rates))
    for name, rates in report.without.items():
        table.add_row(f"  without {name}", str(rates.n), *_cells(rates))
    out.print(table)
    functions = report.functions
    if functions.n:
        shown = ", ".join(f"@{k} {value} %" for k, value in functions.any_gold_at.items())
        out.print(f"\na function of the gold patch: {shown} (n = {functions.n})", soft_wrap=True)
    if report.tests.n:
        shown = ", ".join(f"@{k} {value} %" for k, value in report.tests.any_gold_at.items())
        out.print(
            f"a test file of the test patch, nearest to the gold patch: {shown} (n = {report.tests.n})",
            soft_wrap=True,
        )
    for k, each in report.widened.at.items() if report.widened else ():
        # Without an interval, which takes two instances, nothing can be said.
        if each.ci95 is not None:
            low, high = each.ci95
            out.print(
                f"widened by the model's findings @{k}: {each.gain:+.1f} points, 95 % "
                f"{low:+.1f} to {high:+.1f}, p = {each.p:.2f}",
                soft_wrap=True,
            )
    for speed in report.speed:
        ratios = ", ".join(
            f"{name.replace('_', ' ')} {ratio:g}×" for name, ratio in rounded_ratios(speed).items()
        )
        out.print(
            f"{speed.repository} against rank-bm25: {ratios}; "
            f"same first ten {speed.same_top} of {speed.queries}",
            soft_wrap=True,
        )
    for name, reason in report.left_out.items():
        out.print(f"left out: {name}: {reason}", style="yellow", soft_wrap=True)


def _cells(rates: "FileRates") -> list[str]:
    return [
        f"{value:.1f}\n{low:.0f}–{high:.0f}"
        for value, (low, high) in zip(rates.all_gold_at.values(), rates.ci95.values(), strict=True)
    ]
