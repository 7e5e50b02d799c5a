"""`orchestrate bench evaluate`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import interruption, options
from orchestrator.cli.help import Command

if TYPE_CHECKING:
    from orchestrator.bench.batches import BatchReport


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "orchestrate bench evaluate --limit 8",
        "orchestrate bench evaluate --workers 4 --run-tests --json",
    ),
)
@options.dataset
@options.model
@options.repos
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N instances.")
@click.option("--instances", metavar="IDS", help="Only these: a file of ids, or ids with commas between.")
@click.option("--run-tests/--no-run-tests", default=False, help="Candidates must pass the existing tests.")
@click.option("--workers", type=click.IntRange(2, 256), default=8, show_default=True, help="Tasks at once.")
@options.as_json
def command(
    dataset: str,
    model: str | None,
    repos: Path | None,
    limit: int | None,
    instances: str | None,
    run_tests: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Tasks per hour many at once and one by one, in one run, and where the time goes.

    Other work on the machine spoils the figures.
    """
    from orchestrator.batch.folders import exactness
    from orchestrator.batch.units import choose
    from orchestrator.cli.batch_view import batch_view_for
    from orchestrator.cli.output import print_json
    from orchestrator.plugins import load_instances
    from orchestrator.run_config import RunConfig

    settings, _ = exactness(options.settings(model=model, repos=repos))
    options.check_model(settings)
    interruption.says("interrupted: nothing is kept, it is measured in one piece")
    with batch_view_for(sys.stderr.isatty()) as view:
        progress = view.progress
        found = load_instances(dataset, cache=settings.cache, progress=progress)
        chosen = choose(found, limit, options.ids(instances) if instances else None)
        tasks = [instance.task for instance in chosen.instances]
        from orchestrator.bench.batches import (  # takes seconds: wrong input has been told by now
            Batch,
            measure,
        )

        batch = Batch(settings, found, tasks, RunConfig(run_tests=run_tests))
        report = measure(batch, workers, view.show)
    if as_json:
        print_json(report.model_dump())
    else:
        _print(report)


def _print(report: "BatchReport") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    arms = (report.one_by_one, report.many_at_once)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for arm in arms:
        table.add_column(f"{arm.workers} at once", justify="right")
    table.add_row("tasks per hour", *(f"{arm.tasks_per_hour:.1f}" for arm in arms))
    table.add_row("seconds", *(f"{arm.seconds:.1f}" for arm in arms))
    table.add_row("failed", *(str(arm.failed) for arm in arms))
    for stage in report.one_by_one.stages:
        shares = (arm.stages[stage].share if stage in arm.stages else 0.0 for arm in arms)
        table.add_row(f"{stage}, share of task seconds", *(f"{share:.0%}" for share in shares))
    table.add_row("processors busy", *(f"{arm.processor:.0%}" for arm in arms))
    table.add_row("inside the model", *(f"{arm.engine.in_passes:.0%}" for arm in arms))
    table.add_row("rows a pass", *(f"{arm.engine.rows_a_pass:.1f}" for arm in arms))
    table.add_row("tokens computed", *(f"{arm.engine.computed_tokens:,}" for arm in arms))
    table.add_row("tokens per second in it", *(f"{arm.engine.tokens_per_pass_second:.0f}" for arm in arms))
    out = console()
    out.print(table)
    same = "equal" if report.same_predictions else "NOT equal"
    out.print(f"ratio {report.ratio:.2f}, n {report.n} tasks; predictions are {same}")
