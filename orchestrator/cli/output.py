"""What commands print at the end: one JSON document, or tables and a coloured patch."""

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from orchestrator.cli.patch_view import write_patch
from orchestrator.cli.terminal import visible
from orchestrator.json_text import json_text
from orchestrator.records import Graded, Result

_WIDEST = 1000
SHOWN_TESTS = 3
NOTHING_SHOWN = (
    "Nothing that was run shows the fault, no failing test and no code of the issue: this patch breaks no "
    "test, and is a guess beside that."
)
NO_CANDIDATE = "No candidate passed validation; every one is in the artifacts with its reason."


def print_json(document: object) -> None:
    """The only thing on stdout under --json."""
    click.echo(json_text(document), nl=False)


def console() -> Console:
    """Results go to stdout, in a pipe or a narrow terminal too at their full width.

    A name or a figure that is broken in two is worse than a long line.
    """
    return Console(width=_WIDEST, highlight=False, markup=False)


def print_result(result: Result) -> None:
    """The patch, then what validation and the tests found, and where the files are.

    A pipe is for the patch alone (`orchestrate solve … | git apply`), so the rest goes to stderr there.
    """
    out = Console(highlight=False, markup=False, stderr=not sys.stdout.isatty())
    if result.patch:
        write_patch(result.patch, f"{result.artifacts}/patch.diff")
        checks = f"applies: {_yes(result.applies)}   parses: {_yes(result.parses)}"
        out.print(f"{checks}   files: {visible(', '.join(result.files))}")
    else:
        out.print(
            visible(result.reason) or NO_CANDIDATE,
            style="yellow",
            soft_wrap=True,
        )
    if result.patch and result.shown_by is not None:
        said = "the fault is shown by " + result.shown_by if result.shown_by else NOTHING_SHOWN
        out.print(visible(said), style=None if result.shown_by else "yellow", soft_wrap=True)
    if result.still_failing:
        out.print(visible(_still_failing(result.still_failing)), style="yellow", soft_wrap=True)
    if result.graded:
        out.print(_graded(result.graded))
    out.print(f"artifacts: {result.artifacts}", soft_wrap=True)


def _still_failing(tests: Sequence[str]) -> str:
    named = ", ".join(test.splitlines()[0] for test in tests[:SHOWN_TESTS])
    more = ", …" if len(tests) > SHOWN_TESTS else ""
    return f"tests that fail without this patch and with it: {len(tests)} ({named}{more})"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _graded(graded: Graded) -> Text:
    if graded.resolved:
        counted = "" if graded.counts else f", which does not count ({visible(graded.reason)})"
        style = "green" if graded.counts else "yellow"
        return Text(f"the task's own tests: resolved, in {graded.seconds:.1f} s{counted}", style=style)
    return Text(f"the task's own tests: not resolved ({visible(graded.reason)})", style="yellow")
