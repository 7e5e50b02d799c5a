"""What the commands share: the server's settings, from the file, the environment and flags."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.settings import Settings
    from services.settings import ServeSettings

data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the store, the tasks' artifacts and uploads.  [default: service]",
)
store = click.option(
    "--store", metavar="URL", help="postgresql+psycopg://… instead of a file in the data folder."
)
host = click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
port = click.option("--port", type=click.IntRange(0, 65535), help="0: any free one.  [default: 8000]")
run_tests = click.option(
    "--run-tests/--no-run-tests", default=None, help="Whether requests may ask for run_tests."
)


def serve_settings(machine: "Settings", **flags: object) -> "ServeSettings":
    """The server's settings, with the flags that were given on top."""
    from services.settings import ServeSettings

    given = {name: value for name, value in flags.items() if value is not None}
    return ServeSettings.model_validate({**machine.serve, **given})
