"""`orchestrate vectors extract`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from vectors.domains.prompt_sets import Method, Token


@click.command(
    "extract",
    cls=Command,
    examples=(
        "orchestrate vectors extract --prompts honesty.json --texts honest_answers.json",
        "orchestrate vectors extract bug_analysis code_reading --model qwen3-0.6b",
    ),
)
@click.argument("domains", nargs=-1, shell_complete=completion.domains)
@click.option(
    "--prompts",
    type=options.FILE,
    help="Make a domain of your own of pairs: JSON, or a pair a line with a tab between.",
)
@click.option("--domain", "name", metavar="NAME", help="What it is called.  [default: as the file is]")
@click.option("--texts", type=options.FILE, help="Its held-out texts, a JSON list, for sweep and calibrate.")
@options.model
@click.option(
    "--method",
    type=click.Choice(["mean_difference", "pca"]),
    help="[default: the domain's, mean_difference for those built in]",
)
@click.option(
    "--token",
    type=click.Choice(["last", "mean"]),
    help="Which residuals are read.  [default: the domain's, last for those built in]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.  [default: the cache]",
)
@options.as_json
def command(
    domains: tuple[str, ...],
    prompts: Path | None,
    name: str | None,
    texts: Path | None,
    model: str | None,
    method: "Method | None",
    token: "Token | None",
    out: Path | None,
    as_json: bool,
) -> None:
    """Extract the vectors of DOMAINS (all, if none is named) from a model.

    With --prompts it makes a domain of your own, which everything that takes a domain takes from then on.
    """
    if prompts and domains:
        raise click.UsageError("--prompts makes one domain: leave DOMAINS out, and name it with --domain")
    if not prompts and (name or texts):
        raise click.UsageError("--domain and --texts belong to --prompts FILE")
    check_input(model, *domains, vectors=out)
    settings = options.settings(model=model, vectors=out)
    if prompts:
        from vectors.domains.own_domains import check_pairs

        check_pairs(prompts, name, texts, own_library=settings.vectors is not None)
    from orchestrator.cli.output import print_json
    from orchestrator.lab.extracting import extract_vectors, make_domain

    with keeping(settings.cache) as journal:
        with opened_session(settings) as session:
            if prompts:
                made = make_domain(session, prompts, name=name, texts=texts, method=method, token=token)
                rows = [made]
            else:
                rows = extract_vectors(session, domains, method=method, token=token, journal=journal)
        if as_json:
            print_json([row.model_dump(mode="json") for row in rows])
            return
        for row in rows:
            click.echo(f"{row.domain:22} layer {row.layer:>2}, α {row.alpha:.2f}  {row.file}")
            if row.domain_file:
                click.echo(f"domain: {row.domain_file}")
