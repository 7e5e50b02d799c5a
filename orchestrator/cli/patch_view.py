"""A patch on its way out: to a pipe its exact bytes and nothing else, to a terminal coloured.

Also on a terminal tabs and the carriage returns before line ends stay, so that what is copied from it is the
patch. Only what could drive the terminal is replaced, and then it is said where the exact bytes are.
"""

import os
import sys

import click

from orchestrator.cli.terminal import visible

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def write_patch(patch: str, exact: str) -> None:
    """Write a patch to stdout; `exact` names what holds its bytes."""
    if not sys.stdout.isatty():
        click.echo(patch.encode(), nl=False)
        return
    coloured = not os.environ.get("NO_COLOR")
    lines = [_shown(line) for line in patch.split("\n")]
    click.echo()
    click.echo("\n".join(click.style(line, _colour(line)) if coloured else line for line in lines), nl=False)
    if lines != patch.split("\n"):
        click.echo(f"The patch holds control characters, shown as \ufffd; its exact bytes are in {exact}")


def _shown(line: str) -> str:
    """A carriage return that ends a line does nothing to a terminal."""
    end = "\r" if line.endswith("\r") else ""
    return visible(line.removesuffix(end)) + end


def _colour(line: str) -> str | None:
    return None if line.startswith(("+++", "---")) else _COLOURS.get(line[:1])
