"""`orchestrate vectors transfer`."""

import sys
from pathlib import Path

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping

METHODS = ("procrustes", "ridge", "reduced-rank", "anchors")


def _name(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    from vectors.domains.prompt_sets import NAME

    if name is not None and not NAME.fullmatch(name):
        raise click.BadParameter("expected up to 64 letters, digits and . _ -, the first a letter or digit")
    return name


@click.command(
    "transfer",
    cls=Command,
    examples=(
        "orchestrate vectors transfer gemma-3-270m smollm2-135m bug_analysis",
        "orchestrate vectors transfer qwen3-4b qwen3-0.6b code_reading --method reduced-rank --name from-4b",
    ),
)
@click.argument("source", metavar="SOURCE", shell_complete=completion.models)
@click.argument("target", metavar="TARGET", shell_complete=completion.models)
@click.argument("domain", metavar="DOMAIN", shell_complete=completion.domains)
@options.threads
@options.vectors
@click.option("--method", type=click.Choice(METHODS), default="ridge", show_default=True)
@click.option(
    "--name",
    callback=_name,
    metavar="NAME",
    help="What it is called in TARGET.  [default: DOMAIN-from-SOURCE]",
)
@options.paired_text
@click.option(
    "--n",
    type=click.IntRange(60, 20_000),
    default=800,
    show_default=True,
    help="Excerpts that both models read.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@options.as_json
def command(
    source: str,
    target: str,
    domain: str,
    vectors: Path | None,
    method: str,
    name: str | None,
    texts: tuple[Path, ...],
    n: int,
    seed: int,
    as_json: bool,
) -> None:
    """Make DOMAIN's vector of the model SOURCE one of TARGET, by a map learned on texts that both have read.

    It is kept in the library like any vector: `chat --steer NAME`, `vectors show NAME --model TARGET`. What
    transfers are worth says `lab transfer`.
    """
    from orchestrator.lab.several_models import check_models
    from vectors.domains.own_domains import Domains

    settings = options.settings(vectors=vectors)
    check_models((source, target))
    Domains(settings.library).load(domain)
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for

    with keeping(settings.cache) as journal:
        with view_for(sys.stderr.isatty(), nodes=()) as view:
            from orchestrator.lab.transferring import transfer_vector

            made = transfer_vector(
                settings,
                source,
                target,
                domain,
                method=method,
                name=name,
                texts=texts,
                n=n,
                seed=seed,
                journal=journal,
                progress=view.progress,
            )
        if as_json:
            print_json(made.model_dump(mode="json"))
            return
        explained = made.r2[made.layer]
        click.echo(
            f"{made.domain}: layer {made.layer} from layer {made.layers[made.layer]} of {made.source}, "
            f"α {made.alpha:.2f}; the map explains {explained:.0%} of held-out variance there\n{made.file}"
        )
