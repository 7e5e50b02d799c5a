"""`orchestrate lab diversity`."""

from dataclasses import asdict
from pathlib import Path

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input, vector_of


@click.command(
    "diversity",
    cls=Command,
    examples=(
        "orchestrate lab diversity bug_analysis --limit 4",
        "orchestrate lab diversity bug_analysis --samples 10 --figure diversity.svg",
    ),
)
@click.argument("vector_name", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@click.option("--samples", type=click.IntRange(2, 100), default=5, show_default=True, help="Per prompt.")
@analysis.prompts
@analysis.limit(12, "Prompts.")
@analysis.tokens(8)
@analysis.seed
@analysis.figure
@options.as_json
def command(
    vector_name: str,
    model: str | None,
    samples: int,
    prompts: Path | None,
    limit: int,
    tokens: int,
    seed: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """How many different answers a prompt gets, steered by a vector's default and unsteered.

    Unique answers over samples, at T 0.3, 0.7 and 1.0, paired by prompt. The work is 6 × --samples × --limit
    answers: by default 360, a minute or a few on a CPU.
    """
    check_input(model, vector_name)
    from orchestrator.cli.output import print_json
    from vectors.lab.steering.diversity import TEMPERATURES, diversity
    from vectors.measuring.probes import load_probes

    probes = load_probes(prompts, limit)
    with analysis.opened(model) as session:
        vector = vector_of(session, vector_name)
        rows = diversity(
            session.engine,
            session.model,
            vector.steering(),
            probes,
            samples=samples,
            tokens=tokens,
            seed=seed,
            progress=session.progress,
        )
        settings = {"temperatures": TEMPERATURES, "samples": samples, "tokens": tokens, "seed": seed}
        facts = analysis.provenance(session, [vector], **settings, prompts=probes)
    if figure:
        from vectors.lab.figures.charts import diversity_figure

        analysis.draw(diversity_figure(rows, analysis.heading(facts)), figure)
    if as_json:
        print_json(facts | {"temperatures": [asdict(row) for row in rows]})
        return
    analysis.print_table(
        f"{analysis.heading(facts)}: unique answers / samples",
        ["T", "unsteered", "steered", "difference, paired", "degenerate, difference"],
        [
            [
                f"{row.temperature:g}",
                *(analysis.shown(each) for each in (row.unsteered, row.steered)),
                *(analysis.shown(each, "+.2f") for each in (row.difference, row.degenerate)),
            ]
            for row in rows
        ],
        [analysis.evidence(rows[0].difference.n)],
    )
