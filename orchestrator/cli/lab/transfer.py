"""`orchestrate lab transfer`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.transfer import TransferResult


@click.command(
    "transfer",
    cls=Command,
    examples=(
        "orchestrate lab transfer smollm2-135m gemma-3-270m",
        "orchestrate lab transfer gemma-3-270m smollm2-135m --certify code_reading --figure map.svg",
    ),
)
@click.argument("source", metavar="SOURCE", shell_complete=completion.models)
@click.argument("target", metavar="TARGET", shell_complete=completion.models)
@options.threads
@options.paired_text
@click.option(
    "--n",
    type=click.IntRange(60, 20_000),
    default=800,
    show_default=True,
    help="Excerpts that both models read, each at five places.",
)
@click.option(
    "--depth",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Where in TARGET vectors are compared, from 0, the first block, to 1, the last.",
)
@click.option(
    "--certify",
    multiple=True,
    metavar="DOMAIN",
    shell_complete=completion.domains,
    help="Calibrate TARGET's own vector of a domain with held-out texts, and the transferred one; repeat it "
    "for several.",
)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    source: str,
    target: str,
    texts: tuple[Path, ...],
    n: int,
    depth: float,
    certify: tuple[str, ...],
    seed: int,
) -> "TransferResult":
    """Whether vectors of SOURCE work in TARGET, by linear maps learned on texts that both have read.

    Both read the same excerpts at the ends of the same words. Maps (none, Procrustes, ridge, ridge of reduced
    rank, anchors) are told by the variance they explain in texts held out, and by the cosine of transferred
    vectors to TARGET's own, against shuffled pairs, random directions and other domains. With --certify it
    takes minutes more for each domain.
    """
    from orchestrator.lab.several_models import check_models
    from vectors.domains.own_domains import Domains

    settings = options.settings()
    check_models((source, target))
    for name in certify:
        Domains(settings.library).heldout(name)
    from orchestrator.cli.view import view_for

    with view_for(sys.stderr.isatty(), nodes=()) as view:
        from orchestrator.lab.transfer import measure_transfer

        return measure_transfer(
            settings,
            source,
            target,
            texts,
            n=n,
            depth=depth,
            certify=certify,
            seed=seed,
            journal=folder,
            progress=view.progress,
        )
