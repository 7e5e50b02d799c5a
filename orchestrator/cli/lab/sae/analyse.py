"""`orchestrate lab sae analyse`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.lab.sae.named import folders_in
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.sae_analysis import SaeAnalysis


@click.command(
    "analyse",
    cls=Command,
    examples=(
        "orchestrate lab sae analyse saes",
        "orchestrate lab sae analyse saes/saes/topk-4608-k32-seed0 --domains code_reading --as-original",
    ),
)
@click.argument("folders", nargs=-1, required=True, type=options.FOLDER, metavar="FOLDER...")
@options.model
@options.vectors
@analysis.words("--domains", "", "Domains, separated by commas.  [default: all]")
@analysis.as_original("The original's share of active features too.")
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    folders: tuple[Path, ...],
    model: str | None,
    vectors: Path | None,
    domains: tuple[str, ...],
    as_original: bool,
    seed: int,
) -> "SaeAnalysis":
    """Over how many features vectors are spread, and whether those are the ones that their domains activate.

    A FOLDER is an autoencoder's, or one that holds several, such as a run's: with several sparsities, how
    much depends on it is part of the answer. A domain's vector is made at the autoencoder's block, from its
    prompts.
    """
    found = folders_in(folders)
    check_input(model, *domains, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.sae_analysis import analyse_saes

        return analyse_saes(
            session, found, domains=domains, as_original=as_original, seed=seed, journal=folder
        )
