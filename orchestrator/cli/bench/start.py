"""`orchestrate bench start`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import interruption, options
from orchestrator.cli.help import Command

if TYPE_CHECKING:
    from orchestrator.bench.start import Ratio, Seconds, Start


_COLUMNS = ("this build", "of processors", "MiB at most", "the other", "of processors", "MiB at most")


@click.command(
    "start",
    cls=Command,
    examples=(
        "orchestrate bench start",
        "orchestrate bench start --against ../before --busy --repeats 9 --json",
    ),
)
@options.model_name
@click.option("--against", type=options.FOLDER, help="A checkout of another build, measured in turns.")
@click.option(
    "--repeats", type=click.IntRange(2), default=5, show_default=True, help="Processes of each kind."
)
@click.option(
    "--busy",
    is_flag=True,
    help="A whole solve too, alone and beside as many spinning processes as processors.",
)
@options.as_json
def command(model: str | None, against: Path | None, repeats: int, busy: bool, as_json: bool) -> None:
    """Seconds from a new process to help, to the answer to wrong input, to a loaded model, to a first token.

    What a process reads is in the page cache: one run of each kind goes before and is not counted.
    """
    settings = options.settings(model=model)
    options.check_model(settings)
    from orchestrator.bench.start import document, measure
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from orchestrator.plugins import load_instances

    interruption.says("interrupted: nothing is kept, it is measured in one piece")
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        instance_id = next(iter(load_instances("bundled", cache=settings.cache).instances))
        rows = measure(
            settings.model, instance_id, settings.cache, against, repeats, view.progress, busy=busy
        )
    if as_json:
        print_json(document(rows, settings.model, against))
    else:
        _print(rows)


def _print(rows: "list[Start]") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("seconds to", no_wrap=True)
    for name in ("n", *_COLUMNS, "other / this, 95 % interval"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.name, str(row.this.n), *_build(row.this), *_build(row.other), _ratio(row.ratio))
    console().print(table)
    for row in rows:
        if row.slowdown:
            console().print(f"{row.name}: {_ratio(row.slowdown)} times as long as alone")


def _ratio(found: "Ratio | None") -> str:
    return "" if found is None else f"{found.value:.2f} ({found.low:.2f}–{found.high:.2f})"


def _build(found: "Seconds | None") -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    wall = f"{found.median:.2f} ({found.low:.2f}–{found.high:.2f})"
    return wall, f"{found.processor_s:.2f}", "" if found.peak_mib is None else f"{found.peak_mib:,.0f}"
