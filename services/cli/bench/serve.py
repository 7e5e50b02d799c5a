"""`orchestrate bench serve`."""

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli import interruption, options

if TYPE_CHECKING:
    from services.bench.rows import Measured
from orchestrator.cli.help import Command


@click.command(
    "serve",
    cls=Command,
    examples=(
        "orchestrate bench serve",
        "orchestrate bench serve --repeats 3 --json",
    ),
)
@options.model
@click.option(
    "--repeats", type=click.IntRange(1), default=5, show_default=True, help="Repetitions of each row."
)
@options.as_json
def command(model: str | None, repeats: int, as_json: bool) -> None:
    """Sixteen chats of different steering at once and one by one through a server, what HTTP adds, and three
    columns of the arena against three chats.

    Other work on the machine spoils the figures.
    """
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from orchestrator.session import Session
    from services.bench.rows import measure

    settings = options.settings(model=model)
    interruption.says("interrupted: nothing is kept, it is measured in one piece")
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        progress = view.progress
        with Session(settings, progress=progress) as session:
            document = measure(session, repeats, progress)
    if as_json:
        print_json(document.model_dump(mode="json"))
    else:
        _print(document)


def _print(document: "Measured") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("row", "median", "min–max", "n", "target"):
        table.add_column(name, justify="left" if name == "row" else "right", no_wrap=True)
    for row in document.rows:
        low, high = row.spread
        sign = "≤" if row.at_most else "≥"
        target = "" if row.target is None else f"{sign} {row.target:g}"
        table.add_row(row.name, f"{row.value:.2f}", f"{low:.2f}–{high:.2f}", str(row.n), target)
    out = console()
    out.print(table)
    if document.machine["busy"]:
        out.print("the machine was busy with other work: the ratios are unreliable", style="yellow")
