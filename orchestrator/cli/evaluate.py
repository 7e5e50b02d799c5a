"""`orchestrate evaluate`."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.run_options import run_configs, run_options

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
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="One engine on this machine, or actors with a model each on a Ray cluster.",
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
    from orchestrator.cli.batch_view import batch_view_for
    from orchestrator.cli.output import print_json

    started = time.monotonic()
    with batch_view_for(sys.stderr.isatty()) as view:
        document = _evaluate(flags, view.show, started)
    if as_json:
        print_json(document)
    else:
        _print(document)
    failures = document["failures"]
    if failures:
        names = ", ".join(dict.fromkeys(each["instance_id"] for each in failures))
        where = f"{failures[0]['artifacts']}/result.json" + (" and beside it" if len(failures) > 1 else "")
        click.echo(
            f"{len(failures)} of {document['n'] * len(document['variants'])} failed ({names[:500]}): "
            f"reasons in {where}; the same command tries them again",
            err=True,
        )
    return 1 if failures else 0


def _evaluate(flags: dict[str, Any], emit: Any, started: float) -> dict[str, Any]:
    import asyncio

    from orchestrator.batch.folders import exactness, folders_of
    from orchestrator.batch.units import choose, runs_of
    from orchestrator.events import told
    from orchestrator.session import Session
    from swebench.data.loading import load_instances
    from swebench.grading.docker import ensure_engine

    if flags["limit"] and flags["instances"]:
        raise click.UsageError("give --limit or --instances, not both")
    settings, warning = exactness(
        options.settings(model=flags["model"], repos=flags["repos"], vectors=flags["vectors"])
    )
    if warning:
        click.echo(f"warning: {warning}", err=True)
    options.check_model(settings)
    if flags["grade"] == "docker":
        ensure_engine()
    progress = told(emit)
    configs = run_configs(flags, SEVERAL)
    with Session(settings, progress=progress) as session:
        found = load_instances(flags["dataset"], cache=settings.cache, progress=progress)
        wanted = options.ids(flags["instances"]) if flags["instances"] else None
        tasks = choose(found, flags["limit"], wanted)
        # These take seconds: wrong input has been told by now.
        from orchestrator.batch.evaluate import evaluate
        from orchestrator.batch.executors import executor_for, workers_of
        from orchestrator.batch.ledger import Ledger
        from orchestrator.batch.summary import summary
        from orchestrator.grading.batches import grade_batch
        from orchestrator.task.solve import claimed

        workers = workers_of(flags["executor"], flags["workers"])
        out, folders = folders_of(flags["out"], settings, found.name, configs)
        runs = runs_of(session, found, configs, folders)
        facts = session.facts() | {"executor": flags["executor"], "workers": workers}
        out.mkdir(parents=True, exist_ok=True)
        with claimed(out, "evaluate"):
            ledgers = [Ledger(run, list(found.instances), facts, fresh=flags["fresh"]) for run in runs]

            async def go() -> None:
                async with executor_for(
                    flags["executor"], session, runs, workers, flags["timeout"]
                ) as executor:
                    await evaluate(ledgers, tasks, executor, emit)

            asyncio.run(go())
            if flags["grade"] != "none":
                instances = [found.get(task.instance_id) for task in tasks]
                grade_batch(session, ledgers, instances, flags["grade"], progress)
            return summary(
                ledgers,
                [task.instance_id for task in tasks],
                out=out,
                executor=flags["executor"],
                workers=workers,
                seconds=time.monotonic() - started,
            )


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("variant", overflow="fold")
    for name in ("n", "valid, 95 % interval", "failed", "resolved, 95 % interval", "task seconds", "tokens"):
        table.add_column(name, justify="right")
    for name, row in document["variants"].items():
        tokens = row["tokens"]["prompt"] + row["tokens"]["new"]
        cells = (_rate(row["validity"]), str(row["failed"]), _rate(row["resolved"]))
        table.add_row(name, str(row["n"]), *cells, f"{row['seconds']:.0f}", str(tokens))
    out = console()
    out.print(table)
    out.print(f"{document['n']} instances in {document['seconds']:.0f} s: {document['out']}", soft_wrap=True)


def _rate(share: dict[str, Any] | None) -> str:
    if not share or not share["n"]:
        return ""
    low, high = share["ci95"]
    return f"{share['hits']}/{share['n']}, {share['percent']:.0f} % ({low:.0f}–{high:.0f})"
