"""Flags that several commands share, and how they become settings."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli import completion
from orchestrator.cli.help import log_level

if TYPE_CHECKING:
    from orchestrator.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

dataset = click.option(
    "--dataset",
    default="bundled",
    show_default=True,
    shell_complete=completion.datasets,
    help="bundled, verified, lite, full, a hub name, or a file.",
)
repos = click.option(
    "--repos", type=FOLDER, help="Folder that holds repositories as owner__name or owner__name.git."
)
vectors = click.option("--vectors", type=FOLDER, help="Folder of vector files to use instead of the cache.")
model_name = click.option(
    "--model",
    shell_complete=completion.models,
    help="Alias, hub id, folder or GGUF file.  [default: smollm2-135m]",
)


def _keep(context: click.Context, _: click.Parameter, value: int | None) -> None:
    context.meta[_THREADS] = value


_THREADS = f"{__name__}.threads"
threads = click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    expose_value=False,  # no command does anything with it but `settings`
    callback=_keep,
    help="Threads that the model computes with.  [default: what the machine gives]",
)
paired_text = click.option(
    "--text",
    "texts",
    type=FILE,
    multiple=True,
    help="Texts of your own to learn on: rows with a column problem_statement, patch, text or question, or "
    "the paragraphs of any other file.  [default: the Brown corpus, fetched with npm once]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def model(command: _Command) -> _Command:
    """The model of a command that runs one, and what it computes with."""
    return model_name(threads(command))


def settings(**flags: Any) -> "Settings":
    """Settings with the flags that were given on top."""
    from orchestrator.errors import ConfigError
    from orchestrator.logs import configure
    from orchestrator.settings import Settings

    context = click.get_current_context(silent=True)
    flags["log_level"] = log_level(context)
    flags["threads"] = context and context.meta.get(_THREADS)
    chosen = Settings(**{name: value for name, value in flags.items() if value is not None})
    for name, folder in (("repos", chosen.repos), ("vectors", chosen.vectors)):
        if flags.get(name) is None and folder is not None and not folder.is_dir():  # flags check themselves
            raise ConfigError(f"the setting {name} is {folder}, which is no folder here")
    configure(chosen.log_level)
    return chosen


def check_model(chosen: "Settings") -> None:
    """Raise ModelUnavailable for a name that no place can have, before anything large is imported."""
    from vectors.models.loading import check

    check(chosen.model)


def ids(text: str) -> list[str]:
    """Instance ids of a file, one a line, or of a list with commas; each once."""
    path = Path(text)
    names = path.read_text("utf-8").split() if path.is_file() else text.split(",")
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))
