"""`orchestrate lab sae features`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.lab.sae.named import folders_in
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.sae_vectors import FeaturesResult


@click.command(
    "features",
    cls=Command,
    examples=(
        "orchestrate lab sae features saes/saes/topk-4608-k32-seed0 code_reading",
        "orchestrate lab sae features saes/saes/topk-4608-k32-seed0 bug_analysis --top 10 --share 0.1",
    ),
)
@click.argument("autoencoder", type=options.FOLDER, metavar="FOLDER")
@click.argument("domain", shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option(
    "--top", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="K", help="Features."
)
@click.option(
    "--share",
    type=click.FloatRange(0, min_open=True),
    default=0.2,
    show_default=True,
    help="Strength at which they are measured, as a share of the residual's spread.",
)
@click.option("--n", type=click.IntRange(2), default=240, show_default=True, help="Held-out texts, at most.")
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    autoencoder: Path,
    domain: str,
    model: str | None,
    vectors: Path | None,
    top: int,
    share: float,
    n: int,
    seed: int,
) -> "FeaturesResult":
    """Vectors of a domain made of an autoencoder's features, each with a certificate.

    Features are chosen by how much more the domain's prompts activate them (difference), by how alike their
    effect on the logits and the domain's are (output), and, of the first, by whether amplifying one makes the
    model say its tokens (published); put together weighted by score, as a plain sum (uniform), or the best
    alone (single). The nine are kept in the library as DOMAIN-STRATEGY-CHOICE and steer wherever a domain's
    vector does. Where the domain has held-out texts they are measured on these, added and multiplied, against
    random features of the same norm and beside the domain's own vector.
    """
    (found,) = folders_in([autoencoder])[:1]
    check_input(model, domain, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.sae_vectors import make_vectors

        return make_vectors(
            session,
            found,
            domain,
            top=top,
            share=share,
            n=n,
            seed=seed,
            journal=folder,
        )
