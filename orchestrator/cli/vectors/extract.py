"""`orchestrate vectors extract`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from vectors.domains.activations import Token
    from vectors.domains.extraction import Method


@click.command(
    "extract",
    cls=Command,
    examples=(
        "orchestrate vectors extract",
        "orchestrate vectors extract bug_analysis code_reading --model qwen3-0.6b",
    ),
)
@click.argument("domains", nargs=-1, shell_complete=completion.domains)
@options.model
@click.option(
    "--method", type=click.Choice(["mean_difference", "pca"]), default="mean_difference", show_default=True
)
@click.option(
    "--token",
    type=click.Choice(["last", "mean"]),
    default="last",
    show_default=True,
    help="Which residuals are read.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.  [default: the cache]",
)
@options.as_json
def command(
    domains: tuple[str, ...],
    model: str | None,
    method: "Method",
    token: "Token",
    out: Path | None,
    as_json: bool,
) -> None:
    """Extract the vectors of DOMAINS (all, if none is named) from a model."""
    check_input(model, *domains)
    from orchestrator.cli.output import print_json
    from orchestrator.lab.extracting import extract_vectors

    with opened_session(options.settings(model=model, vectors=out)) as session:
        rows = extract_vectors(session, domains, method=method, token=token)
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        click.echo(f"{row.domain:22} layer {row.layer:>2}, α {row.alpha:.2f}  {row.file}")
