"""`orchestrate retrieve`."""

from pathlib import Path

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session


@click.command(
    "retrieve",
    cls=Command,
    examples=(
        "orchestrate retrieve harborlab__tidetable-23",
        "orchestrate retrieve django__django-11790 --dataset verified --repos mirrors --top 20",
    ),
)
@click.argument("instance_id", metavar="ID", shell_complete=completion.instances)
@options.dataset
@options.repos
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="K", help="Files to list."
)
@options.as_json
def command(instance_id: str, as_json: bool, dataset: str, repos: Path | None, top: int) -> int:
    """Rank the files of an instance's repository at its base commit. No model is loaded."""
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import visible
    from orchestrator.run_config import RunConfig
    from orchestrator.task.jobs import instance_job
    from orchestrator.task.searching import search

    settings = options.settings(repos=repos)
    with opened_session(settings) as session:
        job = instance_job(session, RunConfig(), dataset, instance_id)
        found = search(session, job, top)
    if found.note:
        click.echo(found.note, err=True)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return 0
    for hit in found.hits:
        click.echo(f"{hit.score:7.3f}  {visible(hit.path)}")
    click.echo(f"index {found.seconds.index:.2f} s, query {found.seconds.query * 1000:.1f} ms", err=True)
    return 0
