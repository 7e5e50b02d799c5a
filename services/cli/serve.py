"""`orchestrate serve`."""

from pathlib import Path

import click

from orchestrator.cli import options as machine_options
from orchestrator.cli.help import Command
from services.cli import options


@click.command(
    "serve",
    cls=Command,
    examples=(
        "orchestrate serve",
        "orchestrate serve --port 9000 --model qwen3-0.6b --data /srv/orchestrate",
    ),
)
@options.host
@options.port
@options.data
@options.store
@options.run_tests
@machine_options.model
@machine_options.repos
def command(model: str | None, repos: Path | None, **flags: object) -> int:
    """Serve tasks and chats over HTTP until SIGTERM or Ctrl-C, and leave everything resumable.

    Everything else is set in the table [serve] of orchestrate.toml: data sets, repositories, limits.
    """
    machine = machine_options.settings(model=model, repos=repos)
    settings = options.serve_settings(machine, **flags)
    machine_options.check_model(machine)
    from orchestrator.logs import configure

    if machine.log_level == "warning":
        configure("info")  # one line for each request and task
    from services.server import serve

    return serve(machine, settings)
