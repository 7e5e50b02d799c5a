"""`orchestrate lab compose`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.composition import CompositionResult
    from orchestrator.lab.folder import ExperimentFolder
    from vectors.lab.steering.composition import Mode


@click.command(
    "compose",
    cls=Command,
    examples=(
        "orchestrate lab compose bug_analysis patch_writing --limit 4",
        "orchestrate lab compose bug_analysis patch_writing --mode add --figure both.svg",
    ),
)
@click.argument("names", metavar="DOMAIN|FILE...", nargs=-1, required=True, shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option(
    "--mode",
    "modes",
    type=click.Choice(["add", "weighted", "switch"]),
    multiple=True,
    default=["add", "weighted", "switch"],
    help="Sum, weighted sum, or one vector after the other; may be repeated.  [default: all three]",
)
@analysis.numbers("--weights", float, "For mode weighted, one a domain.  [default: equal parts of 1]")
@analysis.prompts(12, "Prompts, and pairs of texts.")
@analysis.tokens(16)
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    names: tuple[str, ...],
    model: str | None,
    vectors: Path | None,
    modes: "tuple[Mode, ...]",
    weights: tuple[float, ...],
    prompts: list[str],
    tokens: int,
) -> "CompositionResult":
    """Compare ways to steer with several domains with each of their vectors alone.

    \b
    add       αᵢ·vᵢ at once, every vector at its own layer with its full strength
    weighted  wᵢ·αᵢ·vᵢ at once
    switch    the vectors take turns: each steers the next --tokens of the answer

    All answers are greedy and equally long, --tokens for each domain. Measured are the distinct keywords of
    each domain in an answer, and how much likelier its held-out texts become than neutral ones. The work is
    (1 + domains + modes) × --limit answers, and a few times as many scored texts: minutes on a CPU.
    """
    if weights and "weighted" not in modes:
        raise click.UsageError("--weights belongs to --mode weighted")
    check_input(model, *names, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.composition import compose_domains

        return compose_domains(
            session,
            names,
            prompts,
            modes=modes,
            weights=weights,
            tokens=tokens,
            journal=folder,
        )
