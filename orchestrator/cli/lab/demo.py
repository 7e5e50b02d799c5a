"""`orchestrate lab demo`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input, vector_of


@click.command(
    "demo",
    cls=Command,
    examples=(
        "orchestrate lab demo --reports 1",
        "orchestrate lab demo --seeds 3 --figure demo.svg",
    ),
)
@options.model
@click.option(
    "--reports",
    type=click.IntRange(1, 8),
    default=4,
    show_default=True,
    help="Reports of each of the three scenarios; each is one observation.",
)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs of a report.")
@analysis.tokens(64)
@click.option("--temperature", type=click.FloatRange(0), default=0.7, show_default=True)
@analysis.seed
@analysis.figure
@options.as_json
def command(
    model: str | None,
    reports: int,
    seeds: int,
    tokens: int,
    temperature: float,
    seed: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Three kinds of tasks solved in steps: unsteered, with one vector, and with each step's own.

    \b
    simple bug fix      read, analyze, fix
    test failure        read, analyze, test, fix
    feature regression  read new, read old, analyze, fix, test

    \b
    baseline   never steered
    static     code_reading's vector in every step
    dynamic    the step's own vector

    The work is 36 × --reports × --seeds answers of --tokens: by default 144, a minute or a few on a CPU.
    """
    check_input(model)
    from orchestrator.cli.output import print_json
    from vectors.lab.steering.demo import METRICS, VARIANTS, demo, demo_domains

    with analysis.opened(model) as session:
        vectors = {domain: vector_of(session, domain) for domain in demo_domains()}
        rows = demo(
            session.engine,
            session.model,
            vectors,
            reports=reports,
            seeds=range(seed, seed + seeds),
            tokens=tokens,
            temperature=temperature,
            progress=session.progress,
        )
        settings = {"reports": reports, "seeds": list(range(seed, seed + seeds))}
        facts = analysis.provenance(
            session, list(vectors.values()), **settings, tokens=tokens, temperature=temperature
        )
    if figure:
        from vectors.lab.figures.charts import demo_figure

        analysis.draw(demo_figure(rows, f"Demo scenarios on {facts['model']} ({facts['dtype']})"), figure)
    if as_json:
        print_json(facts | {"rows": [asdict(row) for row in rows]})
        return
    by_scenario: dict[str, dict[str, Any]] = {}
    for row in rows:
        by_scenario.setdefault(row.scenario, {})[row.variant] = row
    analysis.print_table(
        f"Demo scenarios on {facts['model']} ({facts['dtype']}): means, differences paired by report",
        ["scenario", "n", "metric", *VARIANTS, "static − baseline", "dynamic − baseline"],
        [
            [
                scenario,
                str(of["baseline"].metrics[metric].n),
                metric,
                *(analysis.shown(of[variant].metrics[metric]) for variant in VARIANTS),
                *(analysis.shown(of[variant].gains[metric], "+.2f") for variant in VARIANTS[1:]),
            ]
            for scenario, of in by_scenario.items()
            for metric in METRICS
        ],
        [
            "hits: distinct keywords of a step's domain. coherence: share of consecutive steps that "
            "share a word of over four letters. degenerate: share of steps that repeat or are empty.",
            analysis.evidence(*(row.metrics["hits"].n for row in rows)),
        ],
    )
