"""`orchestrate lab sae show`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.lab.sae.named import folders_in

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.sae_portraits import ShowResult


@click.command(
    "show",
    cls=Command,
    examples=(
        "orchestrate lab sae show saes",
        "orchestrate lab sae show saes/saes/topk-4608-k32-seed0 --top 30 --json",
    ),
)
@click.argument("folders", nargs=-1, required=True, type=options.FOLDER, metavar="FOLDER...")
@options.model
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="K", help="Features."
)
@analysis.experiment
def command(
    folder: "ExperimentFolder", folders: tuple[Path, ...], model: str | None, top: int
) -> "ShowResult":
    """What autoencoders are: their figures, and which tokens their most active features promote.

    Features are those that are active most often without being dense, which is at more than a tenth of all
    tokens; tokens are read through the final norm and the unembedding. Nothing is run.
    """
    found = folders_in(folders)
    options.check_model(options.settings(model=model))
    with analysis.opened(model) as session:
        from orchestrator.lab.sae_portraits import show_saes

        return show_saes(session, found, top=top, journal=folder)
