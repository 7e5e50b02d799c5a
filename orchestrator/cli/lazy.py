"""A command group that imports a command only when it is called, so that --help answers at once."""

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.help import Group
from orchestrator.cli.interruption import Interrupted


class LazyGroup(Group):
    """Knows its commands' names and one-line help; each is `command` in the module of its name in `package`.

    `lazy` holds them under their headings. A name that is a Python keyword or built-in has its module under
    the name with an underscore after it, and a hyphen is an underscore there. `elsewhere` names the package
    of commands that live in another room, above this one, `moved` where commands are found that were here
    once.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        lazy: Mapping[str, Mapping[str, str]],
        elsewhere: Mapping[str, str] | None = None,
        moved: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package, self._sections, self._elsewhere = package, lazy, elsewhere or {}
        self._moved = moved or {}
        self._lazy = {name: text for section in lazy.values() for name, text in section.items()}

    def invoke(self, ctx: click.Context) -> Any:
        """Call a command. Raises Interrupted where Ctrl-C ends it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None

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
        module = f"{cmd_name}_" if cmd_name in ("import", "list") else cmd_name.replace("-", "_")
        command: click.Command = importlib.import_module(f"{package}.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, which guesses a mistyped command from those that are imported only."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            if new := self._moved.get(error.command_name):
                raise click.UsageError(f"{error.command_name} moved: orchestrate {new}", ctx) from None
            raise click.NoSuchCommand(error.command_name, possibilities=self._lazy, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        width = max(map(len, self._lazy))
        for title, commands in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{width}}", text) for name, text in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands that begin so, without importing them; options where there is a dash."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=text)
            for name, text in self._lazy.items()
            if name.startswith(incomplete)
        ]
