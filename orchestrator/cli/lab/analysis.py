"""What the analysing commands share: their options, and how a result is shown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli import options
from orchestrator.cli.opening import opened_session

if TYPE_CHECKING:
    from orchestrator.lab.provenance import Analysis
    from orchestrator.session import Session
    from vectors.statistics.estimates import Estimate

seed = click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Analysis = TypeVar("_Analysis", bound="Analysis")


def _figure_name(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        from vectors.lab.figures.figures import check_name

        check_name(path)
    return path


figure = click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_figure_name,
    metavar="FILE",
    help="Draw the result as FILE.png or FILE.svg.",
)


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


def numbers(flag: str, number: type[int] | type[float], help_: str) -> Callable[[_Command], _Command]:
    """An option that takes 1,2,3 and gives a tuple, an empty one where it is not there."""

    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[float, ...]:
        try:
            return tuple(number(part) for part in text.split(",")) if text else ()
        except ValueError:
            raise click.BadParameter(f"{text!r} is no list of numbers such as 1,2,3") from None

    return click.option(flag, callback=read, metavar="N,N,…", help=help_)


@contextmanager
def opened(model: str | None, vectors: Path | None = None) -> "Iterator[Session]":
    """A session whose progress is on the screen."""
    with opened_session(options.settings(model=model, vectors=vectors)) as session:
        yield session


def shown(estimate: "Estimate", form: str = ".2f") -> str:
    """An estimate in a table: the value and its interval, which one observation does not give."""
    if estimate.n < 2:
        return f"{estimate.value:{form}} (n = {estimate.n})"
    return f"{estimate.value:{form}} ({estimate.low:{form}} … {estimate.high:{form}})"


def finish(found: _Analysis, figure: Path | None, as_json: bool, table: Callable[[_Analysis], None]) -> None:
    """Draw a result where a file is named for it, and print it: as one document, or as its table."""
    if figure:
        found.draw(figure)
        click.echo(f"figure: {figure}", err=True)
    if as_json:
        from orchestrator.cli.output import print_json

        print_json(found.model_dump())
    else:
        table(found)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str]
) -> None:
    """A table of results on stdout, with what it was measured on above and what must be known below."""
    from rich.table import Table

    from orchestrator.cli.output import console

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    out = console()
    for part in (title, table, *notes):
        out.print(part)


def evidence(*ns: int) -> str:
    """The sample size under a table, and whether it suffices to claim anything."""
    from vectors.lab.figures.figures import sample_size

    return sample_size(ns, "observations a figure")
