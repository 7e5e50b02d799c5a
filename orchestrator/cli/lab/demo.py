"""`orchestrate lab demo`."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.scenarios import DemoResult


@click.command(
    "demo",
    cls=Command,
    examples=(
        "orchestrate lab demo --reports 1",
        "orchestrate lab demo --seeds 3 --figure demo.svg",
    ),
)
@options.model
@click.option(
    "--reports",
    type=click.IntRange(1, 8),
    default=4,
    show_default=True,
    help="Reports of each of the three scenarios; each is one observation.",
)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs of a report.")
@analysis.tokens(64)
@click.option("--temperature", type=click.FloatRange(0), default=0.7, show_default=True)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    model: str | None,
    reports: int,
    seeds: int,
    tokens: int,
    temperature: float,
    seed: int,
) -> "DemoResult":
    """Three kinds of tasks solved in steps: unsteered, with one vector, and with each step's own.

    \b
    simple bug fix      read, analyze, fix
    test failure        read, analyze, test, fix
    feature regression  read new, read old, analyze, fix, test

    \b
    baseline   never steered
    static     code_reading's vector in every step
    dynamic    the step's own vector

    The work is 36 × --reports × --seeds answers of --tokens: by default 144, a minute or a few on a CPU.
    """
    check_input(model)
    with analysis.opened(model) as session:
        from orchestrator.lab.scenarios import play_scenarios

        return play_scenarios(
            session,
            reports=reports,
            seeds=seeds,
            tokens=tokens,
            temperature=temperature,
            seed=seed,
            journal=folder,
        )
