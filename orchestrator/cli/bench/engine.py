"""`orchestrate bench engine`."""

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli import interruption, options
from orchestrator.cli.help import Command
from vectors.bench.table import ROW_NAMES

if TYPE_CHECKING:
    from vectors.bench.report import Report, RowResult


@click.command(
    "engine",
    cls=Command,
    examples=(
        "orchestrate bench engine --repeats 3",
        "orchestrate bench engine --rows mixed16_vs_unsteered16 --json",
    ),
)
@options.model
@click.option(
    "--rows",
    multiple=True,
    type=click.Choice(ROW_NAMES),
    metavar="NAME",
    help="Measure this row; may be given more than once.  [default: all]",
)
@click.option(
    "--repeats", type=click.IntRange(1), default=5, show_default=True, help="Repetitions of each row."
)
@click.option(
    "--install-peers", is_flag=True, help="First build llama.cpp in the cache, if it is not there (minutes)."
)
@options.as_json
def command(
    model: str | None, rows: tuple[str, ...], repeats: int, install_peers: bool, as_json: bool
) -> None:
    """Measure the steered engine beside its peers: medians of the ratios of one run on this machine.

    A ratio above 1 means that the engine is faster. All rows take up to an hour on two cores; other work
    on the machine spoils them. Ctrl-C ends it with the rows measured by then.
    """
    settings = options.settings(model=model)
    options.check_model(settings)
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from vectors.bench import peer_llamacpp
    from vectors.bench.engine_rows import run

    interruption.says("interrupted: the rows measured by then are printed", patience_s=20)
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        progress = view.progress
        if install_peers:
            peer_llamacpp.install(settings.cache, progress)
        report = run(settings.model, cache=settings.cache, rows=rows, repeats=repeats, progress=progress)
    if report.machine.busy:
        click.echo(
            f"warning: the load average was {report.machine.load_average} at the start: "
            "other work on this machine makes the ratios unreliable",
            err=True,
        )
    if as_json:
        print_json(report.document())
    else:
        _print_table(report)
    if report.interrupted:
        interruption.tell()
        sys.exit(interruption.INTERRUPTED)


def _print_table(report: "Report") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    out, machine, model = console(), report.machine, report.model
    out.print(
        f"{model['id']}, best precision {model['best_dtype']}\n"
        f"{machine.processor}, {machine.cores} cores, {' '.join(machine.flags)}; "
        f"{machine.memory_gib} GiB, reads {machine.read_gb_per_s} GB/s; device {machine.device}\n"
        f"torch {machine.torch}, {machine.threads} threads; "
        f"load average at the start {machine.load_average}\n",
        soft_wrap=True,
    )
    # Narrow enough for 80 columns, which is what a pipe gets.
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("row", no_wrap=True)
    for name in ("median", "min–max", "n", "target", "met", "ours", "peer", "same"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print(
        "\nours, peer: medians of tokens per second. same: requests whose tokens equal the peer's.",
        soft_wrap=True,
    )
    for row in report.rows:
        if row.absent:
            out.print(f"{row.spec.name}: {row.absent}", style="yellow", soft_wrap=True)


def _cells(row: "RowResult") -> list[str]:
    name, target = row.spec.name, "" if row.spec.target is None else f"≥ {row.spec.target:g}"
    if row.value is None or row.spread is None:
        return [name, "absent", "", "", target]
    low, high = row.spread
    met = {True: "yes", False: "no", None: ""}[row.met]
    rates = [_short(rate) for rate in (row.ours_tokens_per_s, row.peer_tokens_per_s)]
    agreed = row.agreement
    same = f"{agreed.same_tokens}/{agreed.rows}" if agreed else ""
    median, spread = f"{row.value:.2f}", f"{low:.2f}–{high:.2f}"
    return [name, median, spread, str(len(row.ratios)), target, met, *rates, same]


def _short(rate: float | None) -> str:
    if rate is None:
        return ""
    return f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"
