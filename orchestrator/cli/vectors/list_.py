"""`orchestrate vectors list`."""

from pathlib import Path

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command


@click.command(
    "list",
    cls=Command,
    examples=(
        "orchestrate vectors list",
        "orchestrate vectors list --vectors mine --json",
    ),
)
@options.vectors
@options.as_json
def command(vectors: Path | None, as_json: bool) -> None:
    """The vectors in the cache, or in a folder of your own, of every model."""
    from orchestrator.cli.output import print_json
    from orchestrator.lab.extracting import kept_vectors

    rows = kept_vectors(options.settings(vectors=vectors).library)
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        click.echo(f"{row.domain:22} {row.model:40} {row.file}")
    if not rows:
        click.echo("none yet: `orchestrate vectors extract` makes them, and so does the first solve")
