"""`orchestrate lab context`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.plugins import load_instances

if TYPE_CHECKING:
    from orchestrator.lab.beside_code import ContextResult
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.policy.decisions import Domain


@click.command(
    "context",
    cls=Command,
    examples=(
        "orchestrate lab context patch_writing",
        "orchestrate lab context bug_analysis --dataset verified --repos mirrors --limit 200",
    ),
)
@click.argument(
    "domain", type=click.Choice(["code_reading", "bug_analysis", "patch_writing"]), default="patch_writing"
)
@options.model
@options.dataset
@options.repos
@options.vectors
@click.option(
    "--limit",
    type=click.IntRange(4),
    default=200,
    show_default=True,
    metavar="N",
    help="Tasks, drawn from the data set with --seed.",
)
@analysis.numbers("--multiples", float, "Strengths, as multiples of the vector's dose.  [default: 0.5,1,2]")
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    domain: "Domain",
    model: str | None,
    dataset: str,
    repos: Path | None,
    vectors: Path | None,
    limit: int,
    multiples: tuple[float, ...],
    seed: int,
) -> "ContextResult":
    """Does steering harm beside retrieved code, by the lines that the gold patch adds?

    Each task's gold lines are scored after its node's prompt, with retrieved code and without, unsteered and
    with the node's own vector. Differences are paired by task; intervals are over repositories. The work is
    8 passes over each task's prompt, and the answers of the nodes before.
    """
    from orchestrator.cli.opening import opened_session

    settings = options.settings(model=model, repos=repos, vectors=vectors)
    options.check_model(settings)
    load_instances(dataset, cache=settings.cache)  # what is wrong with it is told before large imports
    with opened_session(settings) as session:
        from orchestrator.lab.beside_code import measure_context

        return measure_context(
            session,
            domain,
            dataset=dataset,
            limit=limit,
            multiples=multiples or (0.5, 1.0, 2.0),
            seed=seed,
            journal=folder,
        )
