"""A command group that imports a command only when it is called, so that --help answers at once."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows its commands' names and one-line help; each is `command` in the module of its name in `package`.

    A name that is a Python keyword or built-in has its module under the name with an underscore after it.
    `elsewhere` names the package of commands that live in another room, above this one.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        lazy: Mapping[str, str],
        elsewhere: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package, self._lazy, self._elsewhere = package, lazy, elsewhere or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order a user meets them."""
        del ctx
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for an unknown one, which click reports."""
        del ctx
        if cmd_name not in self._lazy:
            return None
        package = self._elsewhere.get(cmd_name, self._package)
        module = f"{cmd_name}_" if cmd_name in ("import", "list") else cmd_name
        command: click.Command = importlib.import_module(f"{package}.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lazy.items()))
