"""`orchestrate lab compose`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.composition import CompositionResult
    from vectors.lab.steering.composition import Condition, Mode


@click.command(
    "compose",
    cls=Command,
    examples=(
        "orchestrate lab compose bug_analysis patch_writing --limit 4",
        "orchestrate lab compose bug_analysis patch_writing --mode add --out both.safetensors",
    ),
)
@click.argument("names", metavar="DOMAIN|FILE...", nargs=-1, required=True, shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option(
    "--mode",
    "modes",
    type=click.Choice(["add", "weighted", "switch"]),
    multiple=True,
    default=["add", "weighted", "switch"],
    help="Sum, weighted sum, or one vector after the other; may be repeated.  [default: all three]",
)
@analysis.numbers("--weights", float, "For mode weighted, one a domain.  [default: equal parts of 1]")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the vector of the one --mode, add or weighted, as FILE.safetensors.",
)
@analysis.prompts(12, "Prompts, and pairs of texts.")
@analysis.tokens(16)
@analysis.figure
@options.as_json
def command(
    names: tuple[str, ...],
    model: str | None,
    vectors: Path | None,
    modes: "tuple[Mode, ...]",
    weights: tuple[float, ...],
    out: Path | None,
    prompts: list[str],
    tokens: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Compare ways to steer with several domains with each of their vectors alone.

    \b
    add       h + Σ αᵢ·vᵢ, every vector at its full strength
    weighted  h + Σ wᵢ·αᵢ·vᵢ
    switch    the vectors take turns: each steers the next --tokens of the answer

    All answers are greedy and equally long, --tokens for each domain. Measured are the distinct keywords of
    each domain in an answer, and how much likelier its held-out texts become than neutral ones. The work is
    (1 + domains + modes) × --limit answers, and a few times as many scored texts: minutes on a CPU.
    """
    if weights and "weighted" not in modes:
        raise click.UsageError("--weights belongs to --mode weighted")
    if out and (len(modes) != 1 or modes == ("switch",)):
        raise click.UsageError("--out needs one --mode, add or weighted: taking turns is no vector")
    if out and out.suffix != ".safetensors":
        raise click.UsageError(f"--out {out.name}: a vector file ends in .safetensors")
    check_input(model, *names, vectors=vectors)
    with keeping(options.settings().cache) as journal:
        with analysis.opened(model, vectors) as session:
            from orchestrator.lab.composition import compose_domains

            found = compose_domains(
                session,
                names,
                prompts,
                modes=modes,
                weights=weights,
                tokens=tokens,
                out=out,
                journal=journal,
            )
        if out:
            click.echo(f"vector: {out}", err=True)
        analysis.finish(found, figure, as_json, _print)


def _print(found: "CompositionResult") -> None:
    domains, conditions = [vector.domain for vector in found.provenance.vectors], found.conditions
    analysis.print_table(
        found.heading,
        [
            "steered by",
            *(f"{domain}: {what}" for domain in domains for what in ("hits", "− single", "text, nats/token")),
            "all hits − unsteered",
            "degenerate",
        ],
        [_row(each, domains) for each in conditions],
        [analysis.evidence(conditions[0].total.n)],
    )


def _row(condition: "Condition", domains: Sequence[str]) -> list[str]:
    row = [condition.name]
    for domain in domains:
        text = condition.text_nats.get(domain)
        row += [
            *(
                [
                    analysis.shown(condition.hits[domain]),
                    analysis.shown(condition.against_single[domain], "+.2f"),
                ]
                if domain in condition.hits
                else ["no keywords"] * 2
            ),
            analysis.shown(text, "+.2f") if text else "no texts",
        ]
    return [
        *row,
        analysis.shown(condition.against_unsteered, "+.2f"),
        analysis.shown(condition.degenerate, ".0%"),
    ]
