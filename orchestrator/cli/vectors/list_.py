"""`orchestrate vectors list`."""

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command


@click.command(
    "list",
    cls=Command,
    examples=(
        "orchestrate vectors list",
        "orchestrate vectors list --json",
    ),
)
@options.as_json
def command(as_json: bool) -> None:
    """The vectors in the cache, of every model."""
    from orchestrator.cli.output import print_json
    from orchestrator.lab.extracting import kept_vectors

    rows = kept_vectors(options.settings().cache / "vectors")
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        click.echo(f"{row.domain:22} {row.model:40} {row.file}")
    if not rows:
        click.echo("none yet: `orchestrate vectors extract` makes them, and so does the first solve")
