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
        "orchestrate lab sae show saes/saes/topk-4608-k32-seed0 --features 17,2045 --contexts 30 --json",
    ),
)
@click.argument("folders", nargs=-1, required=True, type=options.FOLDER, metavar="FOLDER...")
@options.model
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="K", help="Features."
)
@analysis.numbers("--features", int, "Features by number.  [default: the most active ones]")
@click.option(
    "--contexts",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Texts in which a feature is most active, of each; a table has three.",
)
@click.option(
    "--tokens",
    type=click.IntRange(1000),
    default=262_144,
    show_default=True,
    help="Tokens that are looked through for them.",
)
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    folders: tuple[Path, ...],
    model: str | None,
    top: int,
    features: tuple[int, ...],
    contexts: int,
    tokens: int,
) -> "ShowResult":
    """What autoencoders are: their figures, which tokens their features promote, and what activates them.

    Features are those that are active most often without being dense, which is at more than a tenth of all
    tokens, or those of --features. Tokens are read through the final norm and the unembedding. Contexts come
    from the residuals that training has left in the cache, where they are.
    """
    if min((0, *features)) < 0:
        raise click.UsageError("--features are numbers from 0")
    found = folders_in(folders)
    options.check_model(options.settings(model=model))
    with analysis.opened(model) as session:
        from orchestrator.lab.sae_portraits import show_saes

        return show_saes(
            session, found, top=top, features=features, contexts=contexts, tokens=tokens, journal=folder
        )
