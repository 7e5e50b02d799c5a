"""`orchestrate lab lens`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.lenses import LensResult


@click.command(
    "lens",
    cls=Command,
    examples=(
        "orchestrate lab lens bug_analysis",
        "orchestrate lab lens patch_writing --layers 0,10,20 --figure lens.svg",
    ),
)
@click.argument("vector_name", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@options.vectors
@analysis.numbers("--layers", int, "Layers, from 0.  [default: eight over the depth]")
@click.option(
    "--top", type=click.IntRange(1, 50), default=6, show_default=True, metavar="K", help="Tokens each way."
)
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    vector_name: str,
    model: str | None,
    vectors: Path | None,
    layers: tuple[int, ...],
    top: int,
) -> "LensResult":
    """Which tokens a vector promotes and suppresses at each layer, read through the unembedding.

    W_U · (w_norm ⊙ v): the logit lens of the vector itself, without running the model. A token's score is in
    standard deviations from the mean over the vocabulary. Nothing is sampled, so there is no interval. Takes
    seconds.
    """
    check_input(model, vector_name, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.lenses import read_through_lens

        return read_through_lens(session, vector_name, layers=layers, top=top, journal=folder)
