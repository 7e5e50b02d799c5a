"""`orchestrate lab prompts`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.prompt_baselines import PromptsResult


@click.command(
    "prompts",
    cls=Command,
    examples=(
        "orchestrate lab prompts",
        "orchestrate lab prompts --strategies zero-shot,few-shot-3,steering --variants 40 --limit 0",
    ),
)
@options.model
@options.vectors
@click.option(
    "--domain",
    default="calendar",
    show_default=True,
    shell_complete=completion.vectors,
    help="Domain or file whose vector steers.",
)
@click.option(
    "--strategies",
    default="",
    metavar="NAME,NAME,…",
    help="Some of zero-shot, few-shot-3, few-shot-5, chain-of-thought, tool-call, constrained-json, steering "
    "and steering+few-shot-3.  [default: all]",
)
@click.option(
    "--variants",
    type=click.IntRange(0, 5000),
    default=200,
    show_default=True,
    help="Requests made from templates.",
)
@click.option(
    "--limit",
    type=click.IntRange(0, 29),
    default=29,
    show_default=True,
    metavar="N",
    help="Requests of those written by hand.",
)
@analysis.tokens(128)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    model: str | None,
    vectors: Path | None,
    domain: str,
    strategies: str,
    variants: int,
    limit: int,
    tokens: int,
    seed: int,
) -> "PromptsResult":
    """Prompts, constraints and steering on the same requests for a calendar, in French and English.

    Each strategy is scored field by field and compared with a plain prompt, request by request. The work is
    8 × (--limit + --variants) answers: by default 1,832, half an hour or so on two free cores.
    """
    check_input(model, domain, vectors=vectors)
    named = [name.strip() for name in strategies.split(",") if name.strip()]
    from orchestrator.lab.prompt_baselines import check_strategies

    check_strategies(named)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.prompt_baselines import measure_prompts

        return measure_prompts(
            session,
            domain,
            limit=limit,
            n_variants=variants,
            strategies=named,
            tokens=tokens,
            seed=seed,
            journal=folder,
        )
