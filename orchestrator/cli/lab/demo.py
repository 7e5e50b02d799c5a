"""`orchestrate lab demo`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.scenarios import DemoResult
    from vectors.lab.steering.demo import Row


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
    with keeping(options.settings().cache) as journal:
        with analysis.opened(model) as session:
            from orchestrator.lab.scenarios import play_scenarios

            found = play_scenarios(
                session,
                reports=reports,
                seeds=seeds,
                tokens=tokens,
                temperature=temperature,
                seed=seed,
                journal=journal,
            )
        analysis.finish(found, figure, as_json, _print)


def _print(found: "DemoResult") -> None:
    from vectors.lab.steering.demo import METRICS, VARIANTS

    by_scenario: dict[str, dict[str, Row]] = {}
    for row in found.rows:
        by_scenario.setdefault(row.scenario, {})[row.variant] = row
    analysis.print_table(
        f"{found.heading}: means, differences paired by report",
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
            analysis.evidence(*(row.metrics["hits"].n for row in found.rows)),
        ],
    )
