"""`orchestrate lab neuronpedia`."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input
from orchestrator.lab.neuronpedia_rows import ADDRESS

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.neuronpedia import NeuronpediaResult


@click.command(
    "neuronpedia",
    cls=Command,
    examples=(
        "orchestrate lab neuronpedia --of qwen3-4b --source 20-transcoder-hp --keyword calendar --count 50",
        "orchestrate lab neuronpedia --export gemmascope --keyword date --vector calendar --model gemma-3-1b",
    ),
)
@click.option("--export", type=options.FOLDER, help="Read an export's folder instead: no network is used.")
@click.option("--of", "of", metavar="MODEL", help="A model's name at Neuronpedia, such as qwen3-4b.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    help="A source of features of that model, such as 20-transcoder-hp; repeat it for several.",
)
@click.option(
    "--keyword", "keywords", multiple=True, required=True, help="What to look for; repeat it for several."
)
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="Features asked for of each source.",
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    default=97,
    show_default=True,
    help="How far apart their indices are.",
)
@click.option("--search", is_flag=True, help="Have Neuronpedia look for explanations near each keyword too.")
@click.option(
    "--vector",
    "vector_name",
    metavar="DOMAIN|FILE",
    shell_complete=completion.vectors,
    help="Compare features' directions with it.",
)
@options.model
@click.option("--layer", type=click.IntRange(0), help="The vector's layer.  [default: its own]")
@click.option(
    "--publish",
    is_flag=True,
    help="Make the vector public at Neuronpedia, under --of, with the key in NEURONPEDIA_API_KEY.",
)
@click.option("--address", default=ADDRESS, show_default=True, metavar="URL", help="Where Neuronpedia is.")
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    export: Path | None,
    of: str | None,
    sources: tuple[str, ...],
    keywords: tuple[str, ...],
    count: int,
    stride: int,
    search: bool,
    vector_name: str | None,
    model: str | None,
    layer: int | None,
    publish: bool,
    address: str,
    seed: int,
) -> "NeuronpediaResult":
    """Features of Neuronpedia that are of a subject, and those whose direction is near a vector.

    Sampled features are asked for one by one, no faster than Neuronpedia allows, and kept in the cache. Their
    share has an interval; what a search finds has none. Nothing is sent but what is asked for, unless
    --publish says so.
    """
    if (export is None) == (of is None or not sources):
        raise click.UsageError("name an export's folder with --export, or a model with --of and its --source")
    if publish and not (of and vector_name):
        raise click.UsageError("--publish takes the vector of --vector, and the model's name there as --of")
    from orchestrator.lab.neuronpedia_client import Neuronpedia, check_key, check_name
    from orchestrator.lab.neuronpedia_rows import check_export

    if publish:
        check_key()
    for name in (of, *sources) if of else ():
        check_name(name)
    if export:
        check_export(export)
    if vector_name:
        check_input(model, vector_name)
    with ExitStack() as stack:
        session = stack.enter_context(analysis.opened(model)) if vector_name else None
        from orchestrator.lab.neuronpedia import Sampled, map_features
        from orchestrator.lab.provenance import vector_of

        client = stack.enter_context(Neuronpedia(options.settings().cache, address))
        return map_features(
            client,
            export or Sampled(of or "", sources, count, stride),
            keywords,
            vector=vector_of(session, vector_name) if session and vector_name else None,
            layer=layer,
            search=search,
            publish=of if publish else None,
            seed=seed,
            journal=folder,
        )
