"""`orchestrate vectors extract`."""

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.vectors.common import check_input, open_session, summary


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
    domains: tuple[str, ...], model: str | None, method: Any, token: Any, out: Path | None, as_json: bool
) -> None:
    """Extract the vectors of DOMAINS (all, if none is named) from a model."""
    check_input(model, *domains)
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from vectors.domains.extraction import extract as extract_vector
    from vectors.domains.prompt_sets import domain_names, load_prompt_set

    sets = [load_prompt_set(domain) for domain in domains or domain_names()]
    with view_for(sys.stderr.isatty(), nodes=()) as view, open_session(model, view, out) as opened:
        rows = []
        for prompt_set in sets:
            vector = extract_vector(
                opened.model,
                prompt_set,
                method=method,
                token=token,
                progress=view.progress,
            )
            path = opened.vectors.save(vector, opened.model)
            rows.append(summary(vector) | {"file": str(path)})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['domain']:22} layer {row['layer']:>2}, α {row['alpha']:.2f}  {row['file']}")
