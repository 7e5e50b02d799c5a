"""`orchestrate mcp`."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options as machine_options
from orchestrator.cli.help import Command
from services.cli import options

if TYPE_CHECKING:
    from orchestrator.settings import Settings
    from services.settings import ServeSettings


@click.command(
    "mcp",
    cls=Command,
    examples=(
        "orchestrate mcp --repo ~/src/myproject",
        "orchestrate mcp --http --port 9000 --run-tests",
    ),
)
@click.option(
    "--repo",
    "repositories",
    multiple=True,
    type=machine_options.FOLDER,
    help="A repository that may be asked about, by its folder's name; may be given again.",
)
@click.option("--http", is_flag=True, help="At /mcp of a server, which does all that `serve` does.")
@options.host
@options.port
@options.data
@options.store
@options.run_tests
@machine_options.model
@machine_options.repos
def command(
    model: str | None, repos: Path | None, repositories: Sequence[Path], http: bool, **flags: object
) -> int | None:
    """Give other agents tools, by the Model Context Protocol: find files, solve, grade, chat with steering.

    An agent starts it and talks over its standard streams, alone and without a key; tasks are then kept until
    it ends, unless --data says where. With --http agents come to it with the keys of `orchestrate keys`.
    """
    if not http and (flags["host"] is not None or flags["port"] is not None):
        raise click.UsageError("--host and --port are of --http")
    from services.errors import BadSetup

    if find_spec("mcp") is None:
        raise BadSetup(
            "the tools need the package mcp, which is not installed: pip install 'steered-orchestrator[mcp]'"
        )
    machine = machine_options.settings(model=model, repos=repos)
    settings = _with(options.serve_settings(machine, **flags), repositories)
    machine_options.check_model(machine)
    if http:
        return _over_http(machine, settings)
    from orchestrator.cli.interruption import leave
    from services.errors import TooLarge
    from services.stdio import serve_streams

    with ExitStack() as kept:
        if "data" not in settings.model_fields_set:
            folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="mcp-"))
            settings = settings.model_copy(update={"data": Path(folder)})
        try:
            serve_streams(machine, settings)
        except TooLarge as error:
            click.echo(f"orchestrate: {error}", err=True)
            leave(1)  # as at its proper end: an interpreter that ends beside a thread that loads can abort
    return None


def _over_http(machine: "Settings", settings: "ServeSettings") -> int:
    from orchestrator.logs import configure

    if machine.log_level == "warning":
        configure("info")  # one line for each request and task
    from services.mcp.door import Door
    from services.server import serve

    return serve(machine, settings, doors=lambda runtime: [Door(runtime)])


def _with(settings: "ServeSettings", repositories: Sequence[Path]) -> "ServeSettings":
    """The settings with further repositories. Raises UsageError for one that no call could name."""
    from pydantic import TypeAdapter, ValidationError

    from services.work.inputs import Name

    named = dict(settings.repositories)
    for folder in repositories:
        name = folder.resolve().name
        try:
            TypeAdapter(Name).validate_python(name)
        except ValidationError:
            raise click.UsageError(
                f"--repo {folder}: no call can name {name!r}; give it a name in [serve.repositories]"
            ) from None
        if named.setdefault(name, folder) != folder:
            raise click.UsageError(f"--repo {folder}: {named[name]} is called {name} already")
    return settings.model_copy(update={"repositories": named})
