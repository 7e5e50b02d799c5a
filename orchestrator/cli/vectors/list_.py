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
    from vectors.domains.library import VectorLibrary

    rows = VectorLibrary(options.settings().cache / "vectors").list()
    if as_json:
        print_json([{"domain": row.domain, "model": row.model_id, "file": str(row.path)} for row in rows])
        return
    for row in rows:
        click.echo(f"{row.domain:22} {row.model_id:40} {row.path}")
    if not rows:
        click.echo("none yet: `orchestrate vectors extract` makes them, and so does the first solve")
