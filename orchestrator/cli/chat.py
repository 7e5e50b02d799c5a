"""`orchestrate chat`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command

if TYPE_CHECKING:
    from orchestrator.chat import Comparison, Prepared, Question
    from orchestrator.settings import Settings


@click.command(
    "chat",
    cls=Command,
    examples=(
        'orchestrate chat "How do I start my day well?"',
        'orchestrate chat --steer "15%·bug_analysis@12..16 even - 5%·code_reading[generated]" "Hello?"',
    ),
)
@click.argument("words", metavar="PROMPT", nargs=-1)
@click.option(
    "--domain",
    default="bug_analysis",
    show_default=True,
    metavar="DOMAIN|FILE",
    shell_complete=completion.vectors,
    help="Whose vector steers: a domain, or a file of `vectors extract` or `import`.",
)
@click.option(
    "--layer", type=int, metavar="L", help="Block whose output is steered, from 0.  [default: the vector's]"
)
@click.option(
    "--alpha",
    type=float,
    metavar="A",
    help="Strength, absolute; negative steers away.  [default: the vector's dose]",
)
@click.option(
    "--steer",
    default="",
    metavar="STEERING",
    help="All of it as text, in place of the three above: docs/steering.md.",
)
@options.model
@options.vectors
@click.option("--system", default="", metavar="TEXT", help="A system message before the prompt.")
@click.option(
    "--tokens", type=click.IntRange(1), default=96, show_default=True, help="Most new tokens of an answer."
)
@click.option(
    "--budget",
    type=click.IntRange(1),
    metavar="N",
    help="Guide both answers to end within N tokens, once `lab budget` has learned lengths.",
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
    words: tuple[str, ...], vectors: Path | None, model: str | None, as_json: bool, **flags: Any
) -> None:
    """Answer PROMPT twice, unsteered and steered, side by side. `-` reads it from stdin.

    The words that differ are coloured at the end. In a pipe the answers come as plain text, one after the
    other.
    """
    from orchestrator.chat import Question

    question = Question(prompt_of(words), **flags)
    settings = options.settings(model=model, vectors=vectors)
    if as_json or not sys.stdout.isatty():
        _elsewhere(settings, question, as_json)
    else:
        _on_terminal(settings, question)


def prompt_of(words: tuple[str, ...]) -> str:
    """The words of a command line, or what is on stdin. Raises UsageError."""
    if words and words != ("-",):
        return " ".join(words)
    if not words and sys.stdin.isatty():
        raise click.UsageError('ask something: orchestrate chat "How do I start my day well?"')
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise click.UsageError("the prompt on stdin is not UTF-8") from None


def _on_terminal(settings: "Settings", question: "Question") -> None:
    from rich.console import Console

    from orchestrator.chat import answer, prepare, refuse_misfit
    from orchestrator.cli.chat_view import SideBySide, steering_line

    view = SideBySide(Console(highlight=False), question.prompt)
    with view:
        refuse_misfit(settings, question, view.progress)
        from orchestrator.session import Session

        with Session(settings, progress=view.progress) as session:
            prepared = prepare(session, question)
            facts = steering_line(prepared, settings.model)
            view.status(facts)
            found = answer(session, prepared, view.text)
    view.finish(found, facts)


def _elsewhere(settings: "Settings", question: "Question", as_json: bool) -> None:
    from orchestrator.chat import answer, prepare, refuse_misfit
    from orchestrator.cli.chat_view import print_plain, steering_line
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for

    with view_for(sys.stderr.isatty(), nodes=()) as view:
        refuse_misfit(settings, question, view.progress)
        from orchestrator.session import Session

        with Session(settings, progress=view.progress) as session:
            prepared = prepare(session, question)
            found = answer(session, prepared, lambda _side, _piece: None)
    if as_json:
        print_json(_document(prepared, found, settings.model))
    else:
        print_plain(found, steering_line(prepared, settings.model))


def _document(prepared: "Prepared", found: "Comparison", model: str) -> dict[str, object]:
    from vectors.steering.text import written_positions

    question = prepared.question
    return {
        "prompt": question.prompt,
        "system": question.system,
        "model": model,
        "steering": prepared.said,
        "interventions": [
            {
                "vector": each.name,
                "operation": each.operation,
                "layer": each.layer,
                "alpha": round(each.alpha, 4),
                "relative_alpha": None if share is None else round(share, 4),
                "positions": written_positions(each.positions),
            }
            for each, share in zip(prepared.steering, prepared.shares, strict=True)
        ],
        "temperature": question.temperature,
        "seed": question.seed,
        "unsteered": asdict(found.unsteered),
        "steered": asdict(found.steered),
        "first_token_s": round(found.first_token_s, 3),
        "seconds": round(found.seconds, 3),
        "tokens_per_s": round(found.tokens_per_s, 1),
    }
