"""`orchestrate lab sae train`."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.lab.documents import check_corpus

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.sae_training import TrainResult

_ARCHITECTURES = ("topk", "batchtopk", "jumprelu", "standard")


@click.command(
    "train",
    cls=Command,
    examples=(
        "orchestrate lab sae train repositories --tokens 500000 --out saes",
        "orchestrate lab sae train brown notes.txt --architecture topk --architecture jumprelu --k 16,32",
    ),
)
@click.argument("corpus", nargs=-1, required=True, metavar="FILE|FOLDER|NAME...")
@options.model
@click.option("--layer", type=click.IntRange(0), help="Block, from 0.  [default: the middle one]")
@click.option(
    "--architecture",
    "architectures",
    type=click.Choice(_ARCHITECTURES),
    multiple=True,
    default=("topk",),
    show_default=True,
    help="Repeat it for several.",
)
@analysis.numbers("--k", int, "Active features of a token, of all architectures but standard.  [default: 32]")
@analysis.numbers("--l1", float, "Weights of the penalty of standard ones.  [default: 1]")
@analysis.numbers("--width", int, "Features, as multiples of the model's width.  [default: 8]")
@analysis.numbers("--seeds", int, "Seeds.  [default: 0]")
@click.option(
    "--tokens",
    type=click.IntRange(1000),
    default=2_000_000,
    show_default=True,
    help="Tokens of the corpus to collect.",
)
@click.option(
    "--context",
    type=click.IntRange(2),
    default=512,
    show_default=True,
    help="Tokens that are read together.",
)
@click.option(
    "--batch", type=click.IntRange(8), default=4096, show_default=True, help="Tokens of a training step."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=3e-4,
    show_default=True,
    help="Adam's; it rises at first and falls in the end.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How often all of the collection is learnt from.",
)
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    corpus: tuple[str, ...],
    model: str | None,
    layer: int | None,
    architectures: tuple[str, ...],
    k: tuple[int, ...],
    l1: tuple[float, ...],
    width: tuple[int, ...],
    seeds: tuple[int, ...],
    tokens: int,
    context: int,
    batch: int,
    learning_rate: float,
    epochs: int,
) -> "TrainResult":
    """Train sparse autoencoders of a block's residual stream, several from one collection.

    A corpus is a text file, a folder of source or text files (repositories, say), a .jsonl, .json or .parquet
    file with a column text, a data set of the hub as owner/name, or brown. Each is written to saes/ of the
    run's folder as SAELens reads it.

    Collecting stops at the block; residuals are kept in the cache, 2 bytes a channel and token. After a kill
    the same command goes on, to the same bytes.
    """
    if min((1, *k, *width)) < 1 or min((0, *seeds)) < 0 or min((1.0, *l1)) <= 0:
        raise click.UsageError("--k, --width and --l1 are above 0, --seeds not below it")
    check_corpus(corpus)
    options.check_model(options.settings(model=model))
    with analysis.opened(model) as session:
        from orchestrator.lab.sae_training import Grid, train_saes

        default = Grid()
        grid = Grid(
            architectures=tuple(dict.fromkeys(architectures)),
            widths=width or default.widths,
            ks=k or default.ks,
            l1s=l1 or default.l1s,
            seeds=seeds or default.seeds,
            batch=batch,
            learning_rate=learning_rate,
            epochs=epochs,
        )
        return train_saes(session, corpus, folder, layer=layer, tokens=tokens, context=context, grid=grid)
