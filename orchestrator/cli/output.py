"""What commands print at the end: one JSON document, or tables and a coloured patch."""

import json

import click
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from orchestrator.cli.terminal import visible
from orchestrator.records import Graded, Result


def print_json(document: object) -> None:
    """The only thing on stdout under --json."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def console() -> Console:
    """Results go to stdout."""
    return Console(highlight=False, markup=False)


def print_result(result: Result) -> None:
    """The patch with syntax colours, what validation and the tests found, and where the files are."""
    out = console()
    if result.patch:
        out.print()
        out.print(
            Syntax(
                visible(result.patch),
                "diff",
                theme="ansi_dark",
                background_color="default",
                word_wrap=True,
            )
        )
        checks = f"applies: {_yes(result.applies)}   parses: {_yes(result.parses)}"
        out.print(f"{checks}   files: {visible(', '.join(result.files))}")
    else:
        out.print(
            visible(result.reason)
            or "No candidate passed validation; every one is in the artifacts with its reason.",
            style="yellow",
            soft_wrap=True,
        )
    if result.graded:
        out.print(_graded(result.graded))
    out.print(f"artifacts: {result.artifacts}", soft_wrap=True)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _graded(graded: Graded) -> Text:
    if graded.resolved:
        return Text(f"the task's own tests: resolved, in {graded.seconds:.1f} s", style="green")
    return Text(f"the task's own tests: not resolved ({graded.reason})", style="yellow")
