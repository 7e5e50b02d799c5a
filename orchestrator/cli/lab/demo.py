"""`orchestrate lab demo`."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input
from orchestrator.plugins import load_instances

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.scenarios import DemoResult

_OWN = 8


@click.command(
    "demo",
    cls=Command,
    examples=(
        "orchestrate lab demo --reports 1",
        "orchestrate lab demo --dataset verified --reports 200 --figure demo.svg",
    ),
)
@click.option(
    "--dataset",
    metavar="NAME|FILE",
    help="Solve issues of bundled, verified, lite, full, a hub name or a file, as simple bug fixes.",
)
@options.model
@click.option(
    "--reports",
    type=click.IntRange(1),
    metavar="N",
    help="Reports of each of the three scenarios, 8 at most, or issues of --dataset; each is one "
    "observation.  [default: 4, or 200]",
)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs of a report.")
@analysis.tokens(64)
@click.option("--temperature", type=click.FloatRange(0), default=0.7, show_default=True)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    dataset: str | None,
    model: str | None,
    reports: int | None,
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

    The work is 36 × --reports × --seeds answers of --tokens: by default 144, a minute or a few on a CPU; with
    --dataset 9 × --reports × --seeds.
    """
    check_input(model)
    if dataset:
        load_instances(
            dataset, cache=options.settings().cache
        )  # what is wrong with it is told before large imports
    elif reports and reports > _OWN:
        raise click.BadParameter(f"there are {_OWN} of each scenario", param_hint="--reports")
    with analysis.opened(model) as session:
        from orchestrator.lab.scenarios import play_scenarios

        return play_scenarios(
            session,
            reports=reports or (200 if dataset else 4),
            dataset=dataset,
            seeds=seeds,
            tokens=tokens,
            temperature=temperature,
            seed=seed,
            journal=folder,
        )
