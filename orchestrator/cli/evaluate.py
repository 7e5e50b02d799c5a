"""`orchestrate evaluate`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.batch.executors import EXECUTORS, known_executor
from orchestrator.cli import interruption, options
from orchestrator.cli.help import Command
from orchestrator.cli.run_options import OursOrPlugin, run_configs, run_options

if TYPE_CHECKING:
    from orchestrator.batch.summary import Summary
    from vectors.statistics.documents import Percent

SEVERAL = ("variant", "rag")
"""Flags that may be given more than once: a batch has a run for each combination."""


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "orchestrate evaluate --limit 4 --run-tests --grade local",
        "orchestrate evaluate --variant adaptive --variant baseline --out runs/ablation",
    ),
)
@options.dataset
@options.model
@run_options(several=SEVERAL)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N instances.")
@click.option("--instances", metavar="IDS", help="Only these: a file of ids, or ids with commas between.")
@options.repos
@options.vectors
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the batch.  [default: runs/…]"
)
@click.option(
    "--executor",
    type=OursOrPlugin(EXECUTORS, known_executor),
    default="local",
    show_default=True,
    help="One engine on this machine, actors with a model each on a Ray cluster, or a plug-in's.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Tasks at once; with ray, actors.  [default: 8; with ray 2]",
)
@click.option(
    "--timeout", type=click.FloatRange(1), metavar="S", help="Seconds a task may take, else it fails."
)
@click.option(
    "--grade",
    type=click.Choice(["none", "local", "docker"]),
    default="none",
    show_default=True,
    help="Afterwards run the hidden tests on the patches, as `orchestrate grade` does.",
)
@click.option("--fresh", is_flag=True, help="Start over instead of doing what is missing.")
@options.as_json
def command(as_json: bool, **flags: Any) -> int:
    """Solve many tasks at once, each variant in a folder of its own.

    What is finished is not run again: give the same command again after an interruption, a kill or failures.
    Exit code 1 says that instances failed; their reasons are in the folder.
    """
    if flags["limit"] and flags["instances"]:
        raise click.UsageError("give --limit or --instances, not both")
    from orchestrator.batch.folders import exactness
    from orchestrator.cli.batch_view import batch_view_for
    from orchestrator.cli.output import print_json
    from orchestrator.grading.evaluation import Batch, evaluate_batch
    from orchestrator.session import Session

    settings, warning = exactness(
        options.settings(model=flags["model"], repos=flags["repos"], vectors=flags["vectors"])
    )
    if warning:
        click.echo(f"warning: {warning}", err=True)
    options.check_model(settings)
    batch = Batch(
        dataset=flags["dataset"],
        configs=run_configs(flags, SEVERAL),
        limit=flags["limit"],
        wanted=options.ids(flags["instances"]) if flags["instances"] else None,
        out=flags["out"],
        executor=flags["executor"],
        workers=flags["workers"],
        timeout_s=flags["timeout"],
        grade=None if flags["grade"] == "none" else flags["grade"],
        fresh=flags["fresh"],
    )
    interruption.says(interruption.going_on(fresh=flags["fresh"]))
    with batch_view_for(sys.stderr.isatty()) as view, Session(settings, progress=view.progress) as session:
        found = evaluate_batch(session, batch, view.show)
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)
    if found.failures:
        names = ", ".join(dict.fromkeys(each.instance_id for each in found.failures))
        more = " and beside it" if len(found.failures) > 1 else ""
        click.echo(
            f"{len(found.failures)} of {found.n * len(found.variants)} failed ({names[:500]}): reasons in "
            f"{found.failures[0].artifacts}/result.json{more}; the same command tries them again",
            err=True,
        )
    return 1 if found.failures else 0


def _print(found: "Summary") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("variant", overflow="fold")
    for name in ("n", "valid, 95 % interval", "failed", "resolved, 95 % interval", "task seconds", "tokens"):
        table.add_column(name, justify="right")
    for name, row in found.variants.items():
        cells = (_rate(row.validity), str(row.failed), _rate(row.resolved))
        table.add_row(name, str(row.n), *cells, f"{row.seconds:.0f}", str(row.tokens.prompt + row.tokens.new))
    out = console()
    out.print(table)
    out.print(f"{found.n} instances in {found.seconds:.0f} s: {found.out}", soft_wrap=True)


def _rate(share: "Percent | None") -> str:
    if not share or share["ci95"] is None:
        return ""
    low, high = share["ci95"]
    return f"{share['hits']}/{share['n']}, {share['percent']:.0f} % ({low:.0f}–{high:.0f})"
