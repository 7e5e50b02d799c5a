"""`orchestrate arena`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import options
from orchestrator.cli.chat import prompt_of
from orchestrator.cli.help import Command

if TYPE_CHECKING:
    from orchestrator.arena import Columns, Shown
    from orchestrator.settings import Settings


def _named(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Each NAME=STEERING in two. Raises BadParameter."""
    found = []
    for text in given:
        name, equals, steering = text.partition("=")
        if not (equals and name.strip() and steering.strip()):
            raise click.BadParameter(f"{text!r}: expected NAME=STEERING, such as 'bugs=20%·bug_analysis'")
        found.append((name.strip(), steering.strip()))
    return found


@click.command(
    "arena",
    cls=Command,
    examples=(
        'orchestrate arena "How do I start my day well?"',
        "orchestrate arena --column bugs=20%·bug_analysis --column 'late=bug_analysis@20' \"Why?\"",
    ),
)
@click.argument("words", metavar="PROMPT", nargs=-1)
@click.option(
    "--column",
    "columns",
    multiple=True,
    callback=_named,
    metavar="NAME=STEERING",
    help="One more column; STEERING is text (docs/steering.md).  [default: one dose of bug_analysis, "
    "and 2.5]",
)
@options.model
@options.vectors
@click.option(
    "--tokens", type=click.IntRange(1), default=96, show_default=True, help="Most new tokens of a column."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="0 always takes the likeliest.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@options.as_json
def command(
    words: tuple[str, ...],
    columns: list[tuple[str, str]],
    vectors: Path | None,
    model: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Answer PROMPT unsteered and in up to five columns more, side by side. `-` reads it from stdin.

    The words that are not the unsteered answer's are coloured at the end. In a pipe the columns come as plain
    text, one after the other.
    """
    from orchestrator.arena import Columns

    asked = Columns.of(prompt_of(words), columns, **flags)
    settings = options.settings(model=model, vectors=vectors)
    if as_json or not sys.stdout.isatty():
        _elsewhere(settings, asked, as_json)
    else:
        _on_terminal(settings, asked)


def _on_terminal(settings: "Settings", asked: "Columns") -> None:
    from rich.console import Console

    from orchestrator.arena import BASELINE, answer, refuse
    from orchestrator.cli.arena_view import ArenaView

    names = [BASELINE, *asked.questions]
    view = ArenaView(Console(highlight=False), asked.one.prompt, names)
    with view:
        refuse(settings, asked, view.progress)
        from orchestrator.session import Session

        with Session(settings, progress=view.progress) as session:
            shown = answer(session, asked, view.text)
    view.finish_columns(shown, settings.model)


def _elsewhere(settings: "Settings", asked: "Columns", as_json: bool) -> None:
    from orchestrator.arena import answer, refuse
    from orchestrator.cli.arena_view import print_columns
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for

    with view_for(sys.stderr.isatty(), nodes=()) as view:
        refuse(settings, asked, view.progress)
        from orchestrator.session import Session

        with Session(settings, progress=view.progress) as session:
            shown = answer(session, asked, lambda _name, _piece: None)
    if as_json:
        print_json(_document(asked, shown, settings.model))
    else:
        print_columns(shown, settings.model)


def _document(asked: "Columns", shown: "Shown", model: str) -> dict[str, object]:
    one = asked.one
    columns = []
    for column in shown.columns:
        document = asdict(column)
        document["difference"] = column.difference and column.difference.model_dump(mode="json")
        columns.append(document)
    return {
        "prompt": one.prompt,
        "model": model,
        "temperature": one.temperature,
        "seed": one.seed,
        "columns": columns,
        "first_token_s": round(shown.first_token_s, 3),
        "seconds": round(shown.seconds, 3),
        "tokens_per_s": round(shown.tokens_per_s, 1),
    }
