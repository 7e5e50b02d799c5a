"""`orchestrate lab lens`."""

from dataclasses import asdict
from pathlib import Path

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input, vector_of


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
@click.option("--layers", **analysis.integers, help="Layers, from 0.  [default: eight over the depth]")
@click.option(
    "--top", type=click.IntRange(1, 50), default=6, show_default=True, metavar="K", help="Tokens each way."
)
@analysis.figure
@options.as_json
def command(
    vector_name: str,
    model: str | None,
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
    check_input(model, vector_name)
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import visible
    from vectors.lab.steering.lens import logit_lens
    from vectors.lab.steering.sweep import default_layers

    with analysis.opened(model) as session:
        vector = vector_of(session, vector_name)
        layers = layers or tuple(default_layers(session.model.n_layers))
        lenses = {
            layer: logit_lens(session.model, vector.steering(layer).vector, top) for layer in sorted(layers)
        }
        facts = analysis.provenance(session, [vector], layers=layers, top=top)
    if figure:
        from vectors.lab.figures.lenses import lens_figure

        analysis.draw(lens_figure(lenses, analysis.heading(facts)), figure)
    if as_json:
        print_json(facts | {"layers": {layer: asdict(lens) for layer, lens in lenses.items()}})
        return

    def listed(tokens: tuple[str, ...], scores: tuple[float, ...]) -> str:
        return "  ".join(f"{visible(repr(t))} {z:+.1f}" for t, z in zip(tokens, scores, strict=True))

    analysis.print_table(
        f"{analysis.heading(facts)}: tokens and their scores, in standard deviations",
        ["layer", "promoted", "suppressed"],
        [
            [str(layer), listed(each.promoted, each.promoted_z), listed(each.suppressed, each.suppressed_z)]
            for layer, each in lenses.items()
        ],
        [],
    )
