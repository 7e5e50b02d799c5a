"""`orchestrate keys`: who may call a server. A key is shown once, when it is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options as machine_options
from orchestrator.cli.help import Group
from services.cli import options

if TYPE_CHECKING:
    from services.store.key_table import Keys


@click.group(
    "keys",
    cls=Group,
    examples=(
        "orchestrate keys create --name ada",
        "orchestrate keys list",
    ),
)
def command() -> None:
    """Create, list and revoke API keys. A server that runs on the same store heeds them at once."""


@command.command(
    examples=(
        "orchestrate keys create --name ada",
        "orchestrate keys create --name ci --operator --json",
    ),
)
@click.option("--name", required=True, help="What to know it by, such as a person or a machine.")
@click.option("--operator", is_flag=True, help="It may also have another model loaded.")
@options.data
@options.store
@machine_options.as_json
def create(name: str, operator: bool, as_json: bool, **where: Path | str | None) -> None:
    """Make a key and print it; it cannot be shown again."""
    from orchestrator.cli.output import print_json

    if not name.isprintable() or not 0 < len(name) <= 100:
        raise click.UsageError("--name: at most 100 printable characters")
    with _keys(where) as keys:
        key, presented = keys.create(name, operator=operator)
    if as_json:
        print_json({"id": key.id, "name": key.name, "operator": operator, "key": presented})
        return
    click.echo(presented)
    click.echo(f"key {key.id} ({name}): kept as a hash, so note it now", err=True)


@command.command(
    "list",
    examples=(
        "orchestrate keys list",
        "orchestrate keys list --data /srv/orchestrate --json",
    ),
)
@options.data
@options.store
@machine_options.as_json
def list_(as_json: bool, **where: Path | str | None) -> None:
    """All keys, revoked ones too."""
    from orchestrator.cli.output import print_json

    with _keys(where) as keys:
        found = keys.list()
    if as_json:
        print_json([asdict(key) for key in found])
        return
    for key in found:
        state = f"revoked {_day(key.revoked_at)}" if key.revoked_at else "in use"
        scope = "operator" if key.operator else ""
        click.echo(f"{key.id}  {_day(key.created_at)}  {state:18}  {scope:8}  {key.name}")


@command.command(
    examples=(
        "orchestrate keys revoke 3f9a2c",
        "orchestrate keys revoke 3f9a2c --data /srv/orchestrate",
    ),
)
@click.argument("key_id", metavar="ID")
@options.data
@options.store
def revoke(key_id: str, **where: Path | str | None) -> None:
    """Revoke a key from now on. Its tasks stay."""
    with _keys(where) as keys:
        key = keys.revoke(key_id)
    click.echo(f"revoked {key.id} ({key.name})", err=True)


@contextmanager
def _keys(where: dict[str, Path | str | None]) -> Iterator["Keys"]:
    from services.store import Store

    store = Store(options.serve_settings(machine_options.settings(), **where).where)
    try:
        yield store.keys
    finally:
        store.close()


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
