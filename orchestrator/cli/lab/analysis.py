"""What the analysing commands share: their options, and how a result is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli import completion, options
from orchestrator.cli.keeping import running
from orchestrator.cli.opening import opened_session
from orchestrator.cli.output import console, print_json
from orchestrator.cli.terminal import visible

if TYPE_CHECKING:
    from orchestrator.lab.provenance import Result
    from orchestrator.reporting.tables import Section
    from orchestrator.session import Session

seed = click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _figure_name(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        from vectors.lab.figures.figures import check_name

        check_name(path)
    return path


def _output(command: _Command) -> _Command:
    """Where an experiment is written: --out, --fresh, --figure and --json."""
    for option in (
        options.as_json,
        click.option(
            "--figure",
            type=click.Path(dir_okay=False, path_type=Path),
            callback=_figure_name,
            metavar="FILE",
            help="Draw the result as FILE.png or FILE.svg too.",
        ),
        click.option("--fresh", is_flag=True, help="Start over what --out or the default folder holds."),
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Folder of the experiment.  [default: runs/lab/…]",
        ),
    ):
        command = option(command)
    return command


def experiment(command: "Callable[..., Result]") -> Callable[..., None]:
    """A command that gets `folder`, an ExperimentFolder, and returns what was found.

    The result is written to the folder with its figures, drawn where --figure says, and printed.
    """

    @wraps(command)
    def run(*, out: Path | None, fresh: bool, figure: Path | None, as_json: bool, **flags: object) -> None:
        with running(options.settings().runs, out, fresh=fresh) as folder:
            found = command(folder=folder, **flags)
            folder.finish(found)
            if figure:
                found.draw(figure)
                click.echo(f"figure: {figure}", err=True)
            click.echo(f"run: {folder.folder}", err=True)
            if as_json:
                print_json(found.model_dump())
            else:
                _print(found.section())

    return _output(run)


def prompts(default: int, help_: str) -> Callable[[_Command], Callable[..., None]]:
    """--prompts and --limit, which a command gets as the texts themselves; raises UnfitAnalysis."""

    def with_prompts(command: _Command) -> Callable[..., None]:
        @wraps(command)
        def read(*, prompts: Path | None, limit: int, **others: object) -> None:
            from vectors.measuring.probes import load_probes

            command(prompts=load_probes(prompts, limit), **others)

        limited = click.option(
            "--limit", type=click.IntRange(2), default=default, show_default=True, metavar="N", help=help_
        )
        own = click.option(
            "--prompts",
            type=options.FILE,
            help="Prompts of your own: a JSON list of texts, or one a line in any other file.  "
            "[default: built in]",
        )
        return own(limited(read))

    return with_prompts


def tokens(default: int) -> Callable[[_Command], _Command]:
    """How long an output is."""
    return click.option(
        "--tokens",
        type=click.IntRange(1, 512),
        default=default,
        show_default=True,
        help="New tokens of an output.",
    )


def as_original(help_: str) -> Callable[[_Command], _Command]:
    """--as-original: the original's own method beside ours."""
    return click.option("--as-original", is_flag=True, help=help_)


def numbers(flag: str, number: type[int] | type[float], help_: str) -> Callable[[_Command], _Command]:
    """An option that takes 1,2,3 and gives a tuple, an empty one where it is not there."""

    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[float, ...]:
        try:
            return tuple(number(part) for part in text.split(",")) if text else ()
        except ValueError:
            raise click.BadParameter(f"{text!r} is no list of numbers such as 1,2,3") from None

    return click.option(flag, callback=read, metavar="N,N,…", help=help_)


def words(flag: str, default: str, help_: str) -> Callable[[_Command], _Command]:
    """An option that takes one,two and gives a tuple."""

    def read(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in text.split(",") if word.strip())

    return click.option(
        flag,
        callback=read,
        default=default,
        show_default=bool(default),
        metavar="NAME,NAME,…",
        help=help_,
    )


def dataset(name: str, columns: str) -> Callable[[_Command], _Command]:
    """--dataset: a known one, or a file."""
    return click.option(
        "--dataset",
        default=name,
        show_default=True,
        metavar="NAME|FILE",
        help=f"Its name, with another split as {name}:SPLIT, or a .jsonl, .json or .parquet file of its "
        f"columns: {columns}.",
    )


def vector_names(*default: str) -> Callable[[_Command], _Command]:
    """--vector, as often as there are vectors."""
    return click.option(
        "--vector",
        "vector_names",
        multiple=True,
        default=default,
        show_default=True,
        metavar="DOMAIN|FILE",
        shell_complete=completion.vectors,
        help="What steers; repeat it for several.",
    )


@contextmanager
def opened(model: str | None, vectors: Path | None = None) -> "Iterator[Session]":
    """A session whose progress is on the screen."""
    with opened_session(options.settings(model=model, vectors=vectors)) as session:
        yield session


def _print(section: "Section") -> None:
    """The tables on stdout, with what they were measured on above and what must be known below."""
    from rich.table import Table

    out = console()
    out.print(section.title)
    for each in section.tables:
        table = Table(box=None, pad_edge=False, title=each.caption or None, title_justify="left")
        for column in each.header:
            table.add_column(column, no_wrap=True)
        for row in each.rows:
            table.add_row(*map(visible, row))
        out.print(table)
    if section.text:
        out.print(section.text)
