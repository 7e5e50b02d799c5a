"""`orchestrate lab geometry`."""

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.geometry import GeometryResult
    from vectors.domains.prompt_sets import Token

_DEFAULT = ("smollm2-135m", "gemma-3-270m")


@click.command(
    "geometry",
    cls=Command,
    examples=(
        "orchestrate lab geometry --as-original",
        "orchestrate lab geometry --model smollm2-135m --model qwen3-0.6b --depth 0.7 --figure map.svg",
    ),
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=_DEFAULT,
    show_default=True,
    shell_complete=completion.models,
    help="Alias, hub id, folder or GGUF file; repeat it, two to four times.",
)
@options.threads
@click.option(
    "--depth",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Where models are compared, from 0, the first block, to 1, the last.",
)
@click.option(
    "--token",
    type=click.Choice(["last", "mean"]),
    default="mean",
    show_default=True,
    help="Which residuals of a statement are read.",
)
@analysis.as_original("The original's figures too: last token, mid-depth, nothing removed, its own p.")
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    models: tuple[str, ...],
    depth: float,
    token: "Token",
    as_original: bool,
    seed: int,
) -> "GeometryResult":
    """Whether models place the 14 domains of MMLU-Pro alike.

    A domain's vector is the mean over its statements minus that over neutral ones. Models are compared by the
    cosines between the vectors, without what all of these share: against permuted domains, against how alike
    a model is to itself on other statements, and against the first model with random weights. Takes minutes
    for small models.
    """
    from orchestrator.lab.several_models import check_models

    check_models(models)
    from orchestrator.cli.view import view_for

    settings = options.settings()
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        from orchestrator.lab.geometry import measure_geometry

        return measure_geometry(
            settings,
            models,
            depth=depth,
            token=token,
            seed=seed,
            as_original=as_original,
            journal=folder,
            progress=view.progress,
        )
