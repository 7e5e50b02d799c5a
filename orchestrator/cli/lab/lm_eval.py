"""`orchestrate lab lm-eval`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.harness import HarnessResult


@click.command(
    "lm-eval",
    cls=Command,
    examples=(
        "orchestrate lab lm-eval gsm8k_cot_zeroshot --steer bug_analysis --limit 200",
        "orchestrate lab lm-eval mine --include tasks --steer '0.5x·code_reading' --steer code_reading",
    ),
)
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@options.model
@options.vectors
@click.option(
    "--steer", "steers", multiple=True, metavar="TEXT", help="A steering to run them under; may be repeated."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The first N items of each task.")
@click.option(
    "--shots", type=click.IntRange(0, 64), metavar="N", help="Worked examples.  [default: the task's]"
)
@click.option("--chat", is_flag=True, help="Ask through the model's chat template.")
@click.option("--include", type=options.FOLDER, help="Folder with task files of your own.")
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    tasks: tuple[str, ...],
    model: str | None,
    vectors: Path | None,
    steers: tuple[str, ...],
    limit: int | None,
    shots: int | None,
    chat: bool,
    include: Path | None,
) -> "HarnessResult":
    """Run tasks of lm-evaluation-harness, unsteered and under each --steer, all in the same batches.

    Any of its tasks that generate or score will do. Differences from the unsteered model are paired by item,
    with McNemar's exact test where a metric is right or wrong, adjusted after Holm. Needs the extra `lab`.
    """
    check_input(model, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.harness import run_tasks

        return run_tasks(
            session,
            tasks,
            steers,
            limit=limit,
            shots=shots,
            chat=chat,
            include=include,
            journal=folder,
        )
