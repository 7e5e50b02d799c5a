"""`orchestrate lab diversity`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.diversity import DiversityResult
    from orchestrator.lab.folder import ExperimentFolder


@click.command(
    "diversity",
    cls=Command,
    examples=(
        "orchestrate lab diversity bug_analysis --limit 4",
        "orchestrate lab diversity bug_analysis --samples 10 --figure diversity.svg",
    ),
)
@click.argument("vector_name", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option("--samples", type=click.IntRange(2, 100), default=5, show_default=True, help="Per prompt.")
@analysis.prompts(12, "Prompts.")
@analysis.tokens(8)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    vector_name: str,
    model: str | None,
    vectors: Path | None,
    samples: int,
    prompts: list[str],
    tokens: int,
    seed: int,
) -> "DiversityResult":
    """How many different answers a prompt gets, steered by a vector's default and unsteered.

    Unique answers over samples, at T 0.3, 0.7 and 1.0, paired by prompt. The work is 6 × --samples × --limit
    answers: by default 360, a minute or a few on a CPU.
    """
    check_input(model, vector_name, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.diversity import measure_diversity

        return measure_diversity(
            session, vector_name, prompts, samples=samples, tokens=tokens, seed=seed, journal=folder
        )
