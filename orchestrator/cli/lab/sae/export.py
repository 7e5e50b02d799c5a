"""`orchestrate lab sae export`."""

from pathlib import Path

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.lab.sae.named import folders_in
from orchestrator.lab.neuronpedia_rows import check_new


@click.command(
    "export",
    cls=Command,
    examples=(
        "orchestrate lab sae export saes/saes/topk-4608-k32-seed0 --out neuronpedia",
        "orchestrate lab sae export saes/saes/topk-4608-k32-seed0 --contexts 40 --out neuronpedia --json",
    ),
)
@click.argument("autoencoder", type=options.FOLDER, metavar="FOLDER")
@options.model
@click.option(
    "--contexts",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Texts in which a feature is most active, of each.",
)
@click.option(
    "--tokens",
    type=click.IntRange(1000),
    default=262_144,
    show_default=True,
    help="Tokens that are looked through for them.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="To write."
)
@options.as_json
def command(
    autoencoder: Path, model: str | None, contexts: int, tokens: int, out: Path, as_json: bool
) -> None:
    """Write an autoencoder in Neuronpedia's export format, which `lab neuronpedia --export` reads too.

    Each feature has its direction, the tokens that it promotes and suppresses, its nearest neighbours and its
    texts, which come from the residuals that training has left in the cache. Nothing is sent anywhere.
    """
    (found,) = folders_in([autoencoder])[:1]
    options.check_model(options.settings(model=model))
    check_new(out)
    with analysis.opened(model) as session:
        from orchestrator.cli.output import print_json
        from orchestrator.lab.neuronpedia_export import export_sae

        exported = export_sae(session, found, out, contexts=contexts, tokens=tokens)
    if as_json:
        print_json(exported.model_dump())
        return
    click.echo(f"{exported.features:,} features, {exported.activations:,} texts of {exported.source}: {out}")
