"""`orchestrate lab lens`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.terminal import visible
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
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
@analysis.figure
@options.as_json
def command(
    vector_name: str,
    model: str | None,
    vectors: Path | None,
    layers: tuple[int, ...],
    top: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Which tokens a vector promotes and suppresses at each layer, read through the unembedding.

    W_U · (w_norm ⊙ v): the logit lens of the vector itself, without running the model. A token's score is in
    standard deviations from the mean over the vocabulary. Nothing is sampled, so there is no interval. Takes
    seconds.
    """
    check_input(model, vector_name, vectors=vectors)
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.lenses import read_through_lens

        found = read_through_lens(session, vector_name, layers=layers, top=top)
    analysis.finish(found, figure, as_json, _print)


def _print(found: "LensResult") -> None:
    analysis.print_table(
        f"{found.heading}: tokens and their scores, in standard deviations",
        ["layer", "promoted", "suppressed"],
        [
            [str(layer), _listed(each.promoted, each.promoted_z), _listed(each.suppressed, each.suppressed_z)]
            for layer, each in found.layers.items()
        ],
        [],
    )


def _listed(tokens: Sequence[str], scores: Sequence[float]) -> str:
    return "  ".join(f"{visible(repr(t))} {z:+.1f}" for t, z in zip(tokens, scores, strict=True))
